// The counter-based random numbers of bt/core/random.h on the device (Philox 4x32-10, Salmon et al. 2011).
#pragma once

#include "kernels/device.cuh"

namespace bt::kernels {

struct Philox {
  uint32_t word[4];
};

__device__ __forceinline__ uint32_t low_word(uint64_t x) { return static_cast<uint32_t>(x); }
__device__ __forceinline__ uint32_t high_word(uint64_t x) { return static_cast<uint32_t>(x >> 32); }

__device__ __forceinline__ Philox philox(Philox counter, uint64_t seed) {
  uint32_t key0 = low_word(seed), key1 = high_word(seed);
#pragma unroll 1
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter.word[0], product1 = uint64_t{0xCD9E8D57} * counter.word[2];
    counter = {{high_word(product1) ^ counter.word[1] ^ key0, low_word(product1),
                high_word(product0) ^ counter.word[3] ^ key1, low_word(product0)}};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The first CounterRng(seed, stream, index).uniform().
__device__ __forceinline__ double first_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
  const Philox start = philox({{low_word(index), high_word(index), low_word(stream), high_word(stream)}}, seed);
  const Philox block = philox(start, seed);
  const uint64_t bits = block.word[0] | static_cast<uint64_t>(block.word[1]) << 32;
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace bt::kernels
