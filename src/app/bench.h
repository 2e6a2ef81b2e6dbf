// A bench: variants of one computation, timed in turn so that a machine's moods meet all of them alike.
#pragma once

#include <c10/core/TensorOptions.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bt {

struct Variant {
  std::string name;
  std::function<void()> run;  // keeps what it works on alive
  double flops = 0;           // per run; 0: not given
  double bytes = 0;           // read and written at least; 0: not given
  double tokens = 0;          // processed; 0: not given
};

struct Bench {
  std::string name, shape;
  // The first variant is what the others are compared with.
  std::function<std::vector<Variant>(const c10::TensorOptions&)> make;
};

std::vector<Bench> operator_benches();
std::vector<Bench> decoding_benches();
std::vector<Bench> training_benches();

struct Timing {
  Variant variant;
  double median = 0, least = 0;  // seconds
  int64_t memory = 0;            // the most bytes of tensors that a run made and held at one time
};

// Two runs of every variant untimed, the second for its memory, then `repetitions` rounds of all of them.
std::vector<Timing> time_variants(std::vector<Variant> variants, int64_t repetitions,
                                  const std::function<double()>& seconds_now);

}  // namespace bt
