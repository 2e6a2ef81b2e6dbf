#include "kernels/cache_rows.cuh"

namespace bt::kernels {
namespace {

constexpr int kAtOnce = 4;  // loads of a thread in flight

// store(i, load(i)) for the warp's share of i < count; loads are issued before the stores that follow them.
template <class T, class Load, class Store>
__device__ __forceinline__ void move(int count, const Load& load, const Store& store) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (int first = lane; first < count; first += kAtOnce * static_cast<int>(kWarp)) {
    T loaded[kAtOnce];
#pragma unroll
    for (int n = 0; n < kAtOnce; ++n) {
      const int i = first + n * static_cast<int>(kWarp);
      if (i < count) loaded[n] = load(i);
    }
#pragma unroll
    for (int n = 0; n < kAtOnce; ++n) {
      const int i = first + n * static_cast<int>(kWarp);
      if (i < count) store(i, loaded[n]);
    }
  }
}

// Rows are moved as units of 16, 4 or 2 bytes: here an element is a unit.
template <class Unit>
__global__ void gather_kernel(CacheRows cache, Unit* entries) {
  const unsigned number = line_of_warp();
  if (number >= lines_of(cache)) return;
  const Line line(cache, number);
  const Heads<const Unit> heads(cache, line);
  Unit* to = entries + static_cast<int64_t>(number) * half_of(cache);
  move<Unit>(
      half_of(cache), [&](int i) { return line.row < 0 ? Unit{} : *heads.at(i); }, [&](int i, Unit x) { to[i] = x; });
}

template <class Unit>
__global__ void put_kernel(CacheRows cache, const Unit* entries) {
  const unsigned number = line_of_warp();
  if (number >= lines_of(cache)) return;
  const Line line(cache, number);
  if (line.row < 0) return;
  const Heads<Unit> heads(cache, line);
  const Unit* from = entries + static_cast<int64_t>(number) * half_of(cache);
  move<Unit>(
      half_of(cache), [&](int i) { return entries == nullptr ? Unit{} : from[i]; },
      [&](int i, Unit x) { *heads.at(i) = x; });
}

CacheRows in_units(CacheRows cache, int unit) {
  const auto scale = [&](auto& elements) { elements = elements * cache.element_bytes / unit; };
  for (CacheRows::Part* part : {&cache.k, &cache.v}) {
    scale(part->by_sequence);
    scale(part->by_group);
    scale(part->by_row);
  }
  scale(cache.width);
  return cache;
}

// Calls f(Unit{}, the cache in these units).
template <class F>
void with_units(const CacheRows& cache, const void* entries, const F& f) {
  const int unit = unit_of(cache, entries);
  const CacheRows units = in_units(cache, unit);
  if (unit == 16) return f(Pack<uint32_t>{}, units);
  if (unit == 4) return f(uint32_t{}, units);
  f(uint16_t{}, units);
}

}  // namespace

void gather_rows(const CacheRows& from, void* entries, Stream stream) {
  with_units(from, entries, [&](auto unit, const CacheRows& units) {
    launch_lines(gather_kernel<decltype(unit)>, units, stream, static_cast<decltype(unit)*>(entries));
  });
}

void put_rows(const CacheRows& to, const void* entries, Stream stream) {
  with_units(to, entries, [&](auto unit, const CacheRows& units) {
    launch_lines(put_kernel<decltype(unit)>, units, stream, static_cast<const decltype(unit)*>(entries));
  });
}

}  // namespace bt::kernels
