#include "kernels/cache_rows.cuh"
#include "kernels/edit_rows.h"

namespace bt::kernels {
namespace {

// N numbers at a time: one, or as many as a pack of the cache's type holds.
template <int N>
struct Floats {
  float at[N];
};

template <int N, class T>
__device__ __forceinline__ Floats<N> read(const T* from) {
  Floats<N> out;
  if constexpr (N == 1) {
    out.at[0] = widen(*from);
  } else {
#pragma unroll
    for (int first = 0; first < N; first += Pack<T>::kSize) {
      const Pack<T> pack = load_pack(from + first);
#pragma unroll
      for (int i = 0; i < Pack<T>::kSize; ++i) out.at[first + i] = widen(pack.at[i]);
    }
  }
  return out;
}

template <int N, class T>
__device__ __forceinline__ void write(T* to, const Floats<N>& x) {
  if constexpr (N == 1) {
    *to = narrow<T>(x.at[0]);
  } else {
    Pack<T> pack;
#pragma unroll
    for (int i = 0; i < N; ++i) pack.at[i] = narrow<T>(x.at[i]);
    store_pack(to, pack);
  }
}

template <int N>
__device__ __forceinline__ Floats<N> all_equal(float x) {
  Floats<N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) out.at[i] = x;
  return out;
}

template <int N, class T, class U, class Delta>
__device__ __forceinline__ void edit_line(const CacheRows& cache, const RowEdit& edit, const Line& line) {
  const Heads<T> heads(cache, line);
  const int count = half_of(cache);
  const int64_t begin = static_cast<int64_t>(line.number) * count;
  const U* u = static_cast<const U*>(edit.u) + begin;
  const Delta* delta = static_cast<const Delta*>(edit.delta) + begin;
  const float* gate = edit.gate + line.event * edit.gate_by_event + line.slot * edit.gate_by_slot +
                      static_cast<int64_t>(line.half) * count * edit.gate_by_element;
  const Floats<N> same = all_equal<N>(*gate);
  for (int i = static_cast<int>(threadIdx.x % kWarp) * N; i < count; i += static_cast<int>(kWarp) * N) {
    Floats<N> entry = read<N>(u + i);
    const Floats<N> change = read<N>(delta + i), factor = edit.gate_by_element == 0 ? same : read<N>(gate + i);
#pragma unroll
    for (int n = 0; n < N; ++n) entry.at[n] = __fadd_rn(entry.at[n], __fmul_rn(factor.at[n], change.at[n]));
    write(heads.at(i), entry);
  }
}

template <class T, class U, class Delta>
__global__ void edit_kernel(CacheRows cache, RowEdit edit, bool packed) {
  const unsigned number = line_of_warp();
  if (number >= lines_of(cache)) return;
  const Line line(cache, number);
  if (line.row < 0) return;
  if (packed) {
    edit_line<Pack<T>::kSize, T, U, Delta>(cache, edit, line);
  } else {
    edit_line<1, T, U, Delta>(cache, edit, line);
  }
}

bool edits_in_packs(const CacheRows& to, const RowEdit& edit) {
  const bool gate_fits = edit.gate_by_element == 0 ||
                         (fits_packs(edit.gate, edit.gate_by_event) && fits_packs(edit.gate, edit.gate_by_slot));
  return unit_of(to, edit.u) == 16 && reinterpret_cast<uintptr_t>(edit.delta) % 16 == 0 && gate_fits;
}

template <class T, class U>
void edit_rows_from(const CacheRows& to, const RowEdit& edit, Stream stream) {
  const bool packed = edits_in_packs(to, edit);
  if (edit.delta_is_fp32) return launch_lines(edit_kernel<T, U, float>, to, stream, edit, packed);
  launch_lines(edit_kernel<T, U, T>, to, stream, edit, packed);
}

template <class T>
void edit_rows_of(const CacheRows& to, const RowEdit& edit, Stream stream) {
  if (edit.u_is_fp32) return edit_rows_from<T, float>(to, edit, stream);
  edit_rows_from<T, T>(to, edit, stream);
}

}  // namespace

void edit_rows(const CacheRows& to, const RowEdit& edit, Stream stream) {
  switch (edit.cache_type) {
    case Element::fp32:
      return edit_rows_of<float>(to, edit, stream);
    case Element::bf16:
      return edit_rows_of<bfloat16>(to, edit, stream);
    case Element::fp16:
      return edit_rows_of<half>(to, edit, stream);
  }
}

}  // namespace bt::kernels
