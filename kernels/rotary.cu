// A block for every token. A thread has a pack of a head's first half and the pack that it is turned with.
#include "kernels/elementwise.cuh"
#include "kernels/rotary.h"

namespace bt::kernels {
namespace {

// Products are not merged into fused multiply-adds: in fp32, too, they are rounded.
template <class T>
__device__ __forceinline__ void turn(Pack<T>& first, Pack<T>& second, const Pack<T>& cos, const Pack<T>& sin,
                                     float sign) {
  each_element<T>([&](int e) {
    const float c = widen(cos.at[e]), s = sign * widen(sin.at[e]), u = widen(first.at[e]), v = widen(second.at[e]);
    first.at[e] = narrow<T>(rounded<T>(__fmul_rn(u, c)) - rounded<T>(__fmul_rn(v, s)));
    second.at[e] = narrow<T>(rounded<T>(__fmul_rn(v, c)) + rounded<T>(__fmul_rn(u, s)));
  });
}

template <class T, bool kTurned>
__device__ __forceinline__ void move_head(const Rotary& work, const TokenHeads& heads, int64_t token, int head,
                                          int begin) {
  const bool placed = heads.row != nullptr;
  const int64_t row = placed ? heads.row[token] : token, slot = placed ? heads.slot[token] : 0;
  if (row < 0) return;
  const int half = work.width / 2;
  const T* from = static_cast<const T*>(heads.from) + token * heads.from_by_token + head * heads.from_by_head + begin;
  Pack<T> first = load_pack(from), second = load_pack(from + half);
  if constexpr (kTurned) {
    const int64_t angle = token * half + begin;
    turn(first, second, load_pack(static_cast<const T*>(work.cos) + angle),
         load_pack(static_cast<const T*>(work.sin) + angle), work.sign);
  }
  T* to = static_cast<T*>(heads.to) + slot * heads.to_by_slot + row * heads.to_by_row + head * heads.to_by_head + begin;
  store_pack(to, first);
  store_pack(to + half, second);
}

template <class T>
__global__ void __launch_bounds__(256) rotary_by_token(Rotary work) {
  const int packs = work.width / 2 / Pack<T>::kSize, turned = work.q.heads + work.k.heads;
  const int items = (turned + work.v.heads) * packs;
  const int64_t token = blockIdx.x;
  for (int item = static_cast<int>(threadIdx.x); item < items; item += static_cast<int>(blockDim.x)) {
    const int head = item / packs, begin = item % packs * Pack<T>::kSize;
    if (head < work.q.heads) {
      move_head<T, true>(work, work.q, token, head, begin);
    } else if (head < turned) {
      move_head<T, true>(work, work.k, token, head - work.q.heads, begin);
    } else {
      move_head<T, false>(work, work.v, token, head - turned, begin);
    }
  }
}

}  // namespace

bool rotary_takes(int64_t width, Element type) { return width > 0 && width % (type == Element::fp32 ? 8 : 16) == 0; }

void rotary(const Rotary& work, Stream stream) {
  const int heads = work.q.heads + work.k.heads + work.v.heads;
  if (work.tokens == 0 || heads == 0) return;
  with_type(work.type, [&](auto zero) {
    using T = decltype(zero);
    const unsigned items = static_cast<unsigned>(heads * (work.width / 2 / Pack<T>::kSize));
    const unsigned threads = items < 256 ? (items + kWarp - 1) / kWarp * kWarp : 256;
    launch(rotary_by_token<T>, dim3(static_cast<unsigned>(work.tokens)), threads, 0, stream, work);
  });
}

}  // namespace bt::kernels
