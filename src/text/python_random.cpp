#include "bt/text/python_random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "bt/core/error.h"

namespace bt {
namespace {

constexpr size_t kWords = 624, kShift = 397;

std::array<uint32_t, kWords> state_from_word(uint32_t word) {
  std::array<uint32_t, kWords> state;
  state[0] = word;
  for (uint32_t i = 1; i < kWords; ++i) state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  return state;
}

// CPython's sample() keeps a set of the chosen when its estimated size is below that of a list of the population.
size_t set_size(size_t count) {
  size_t size = 21;
  if (count > 5)
    size += static_cast<size_t>(std::pow(4, std::ceil(std::log(static_cast<double>(count) * 3) / std::log(4.0))));
  return size;
}

}  // namespace

// init_by_array of the reference implementation with the one-word key {seed}.
PythonRandom::PythonRandom(uint32_t seed) : state_(state_from_word(19650218u)) {
  size_t i = 1;
  const auto advance = [&] {
    if (++i == kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  const auto mixed = [&](uint32_t factor) { return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor); };
  for (size_t k = 0; k < kWords; ++k, advance()) state_[i] = mixed(1664525u) + seed;
  for (size_t k = 1; k < kWords; ++k, advance()) state_[i] = mixed(1566083941u) - static_cast<uint32_t>(i);
  state_[0] = 0x80000000u;
}

void PythonRandom::refill() {
  for (size_t i = 0; i < kWords; ++i) {
    const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
    state_[i] = state_[(i + kShift) % kWords] ^ (y >> 1) ^ ((y & 1) * 0x9908b0dfu);
  }
  used_ = 0;
}

uint32_t PythonRandom::next_u32() {
  if (used_ == kWords) refill();
  uint32_t y = state_[used_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

size_t PythonRandom::below(size_t bound) {
  const int bits = std::bit_width(bound);
  size_t value;
  do value = next_u32() >> (32 - bits);
  while (value >= bound);
  return value;
}

std::vector<size_t> PythonRandom::sample(size_t population, size_t count) {
  BT_ASSERT(count <= population && population < (size_t{1} << 32));
  std::vector<size_t> chosen;
  if (population <= set_size(count)) {
    std::vector<size_t> pool(population);
    std::iota(pool.begin(), pool.end(), size_t{0});
    for (size_t i = 0; i < count; ++i) {
      const size_t j = below(population - i);
      chosen.push_back(pool[j]);
      pool[j] = pool[population - i - 1];
    }
    return chosen;
  }
  while (chosen.size() < count) {
    const size_t index = below(population);
    if (std::find(chosen.begin(), chosen.end(), index) == chosen.end()) chosen.push_back(index);
  }
  return chosen;
}

}  // namespace bt
