#include "bt/core/random.h"

#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <utility>

#include "bt/core/error.h"

namespace bt {
namespace {

using Counter = std::array<uint32_t, 4>;
using Key = std::array<uint32_t, 2>;

uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

void increment(Counter& counter) {
  for (uint32_t& word : counter) {
    if (++word != 0) return;
  }
}

// Two independent standard normals from u in (0, 1] and v in [0, 1) (Box and Muller 1958).
std::pair<double, double> box_muller(double u, double v) {
  const double radius = std::sqrt(-2 * std::log(u));
  const double angle = 2 * std::numbers::pi * v;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

std::array<double, 4> normal_block(const Counter& bits) {
  constexpr double kScale = 0x1p-32;
  const auto [a, b] = box_muller((bits[0] + 1.0) * kScale, bits[1] * kScale);
  const auto [c, d] = box_muller((bits[2] + 1.0) * kScale, bits[3] * kScale);
  return {a, b, c, d};
}

}  // namespace

Counter philox(Counter counter, Key key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1),  //
               high(product0) ^ counter[3] ^ key[1], low(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

CounterRng::CounterRng(uint64_t seed, uint64_t stream, uint64_t index)
    : key_{low(seed), high(seed)}, counter_(philox({low(index), high(index), low(stream), high(stream)}, key_)) {}

uint32_t CounterRng::next_u32() {
  if (used_ == 4) {
    block_ = philox(counter_, key_);
    increment(counter_);
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

uint64_t CounterRng::next_u64() {
  const uint64_t first = next_u32();
  return first | static_cast<uint64_t>(next_u32()) << 32;
}

double CounterRng::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

double CounterRng::normal() {
  const double u = 1 - uniform();
  return box_muller(u, uniform()).first;
}

uint64_t CounterRng::below(uint64_t bound) {
  BT_ASSERT(bound > 0);
  const uint64_t biased = (UINT64_MAX - bound + 1) % bound;  // 2^64 mod bound values at the low end would count twice
  uint64_t draw = next_u64();
  while (draw < biased) draw = next_u64();
  return draw % bound;
}

void permutation(uint64_t seed, uint64_t stream, std::span<int64_t> out) {
  std::iota(out.begin(), out.end(), int64_t{0});
  CounterRng rng(seed, stream);
  for (size_t remaining = out.size(); remaining > 1; --remaining) {
    std::swap(out[remaining - 1], out[rng.below(remaining)]);
  }
}

void fill_normal(std::span<float> out, double deviation, uint64_t seed, uint64_t stream, uint64_t offset) {
  const Key key = {low(seed), high(seed)};
  std::array<double, 4> block{};
  for (size_t i = 0; i < out.size(); ++i) {
    const uint64_t draw = offset + i;
    if (i == 0 || draw % 4 == 0) {
      block = normal_block(philox({low(draw / 4), high(draw / 4), low(stream), high(stream)}, key));
    }
    out[i] = static_cast<float>(deviation * block[draw % 4]);
  }
}

uint64_t stream_id(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace bt
