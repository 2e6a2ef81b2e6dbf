// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): a value depends on its key and counter alone, so
// batched = single, order = order, resumed = straight.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace bt {

// Ten Philox rounds of `counter` under `key`.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A stream of draws keyed by (seed, stream, index); cheap to construct anywhere. The seed is Philox's key; the counter
// starts at the Philox image of (index, stream), so no two streams of a seed start alike.
class CounterRng {
 public:
  CounterRng(uint64_t seed, uint64_t stream, uint64_t index = 0);
  uint32_t next_u32();
  uint64_t next_u64();
  double uniform();                // [0, 1), 53 bits
  double normal();                 // standard normal, Box-Muller in double
  uint64_t below(uint64_t bound);  // unbiased in [0, bound); bound > 0

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

// Fisher-Yates permutation of 0 … count - 1 from (seed, stream).
void permutation(uint64_t seed, uint64_t stream, std::span<int64_t> out);

// out[i] = normal draw number `offset` + i of (seed, stream), with mean 0 and the given standard deviation: filling a
// range in parts, each with its offset, gives the same values as filling it at once. About 15 ns a value.
void fill_normal(std::span<float> out, double deviation, uint64_t seed, uint64_t stream, uint64_t offset = 0);

// A 64-bit stream id from a name ("layers.3.w_in"): FNV-1a.
uint64_t stream_id(std::string_view name);

}  // namespace bt
