// Kernels run by the emulator, threads in every order, whose results must be equal bit by bit.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "support/cuda_emulator.h"

namespace bt::testing {

// launch() returns what the kernel wrote, made anew by every call.
template <class Launch>
auto in_every_order(const Launch& launch) {
  using emulator::Order;
  emulator::set_order(Order::ascending);
  const auto expected = launch();
  for (const Order order : {Order::descending, Order::shuffled}) {
    emulator::set_order(order);
    EXPECT_TRUE(launch() == expected) << "the result depends on the order of threads: a barrier is missing";
  }
  emulator::set_order(Order::ascending);
  return expected;
}

inline std::vector<float> random_floats(size_t count, uint64_t seed, float low = -1, float high = 1) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> out(count);
  for (float& x : out) x = uniform(random);
  return out;
}

}  // namespace bt::testing
