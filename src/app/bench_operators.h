// What the benches of single operators share.
#pragma once

#include <functional>
#include <vector>

#include "bench.h"

namespace bt {

// One operator beside what a reader would write in ATen. Figures are of one call; both keep what they work on alive.
struct OperatorPair {
  std::function<void()> plain, ours;
  double flops = 0, bytes = 0;
  bool plain_records = true;  // nothing in the plain form waits for the device
};

// A run is many calls, without gradients: on a GPU so many that starting the clock does not count. Plain and ours are
// launched call by call, as a program without graphs does; recorded, neither waits for the host.
std::vector<Variant> operator_variants(const OperatorPair& pair, c10::Device device);

}  // namespace bt
