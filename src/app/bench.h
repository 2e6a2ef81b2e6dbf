// A bench: variants of one computation, timed in turn so that a machine's moods meet all of them alike.
#pragma once

#include <c10/core/TensorOptions.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench_clock.h"

namespace bt {

// Figures are of one call.
struct Variant {
  std::string name;
  std::function<void()> run;      // `calls` calls; keeps what it works on alive
  std::function<void()> prepare;  // before every run, untimed; optional
  int64_t calls = 1;
  double flops = 0;      // 0: not given
  double bytes = 0;      // read and written at least; 0: not given
  double tokens = 0;     // processed; 0: not given
  double held = 0;       // bytes that stay between runs: weights, gradients, the optimiser's
  bool records = false;  // nothing in a run waits for the device: where there are graphs it is timed as one, too
};

// Shapes for a CPU, or for a GPU of 80 GB.
enum class BenchScale { small, large };

struct Bench {
  std::string name, shape;
  // The first variant is what the others are compared with.
  std::function<std::vector<Variant>(const c10::TensorOptions&)> make;
};

std::vector<Bench> operator_benches(BenchScale scale);  // on the cache
std::vector<Bench> layer_benches(BenchScale scale);     // elementwise, of a layer
std::vector<Bench> head_benches(BenchScale scale);      // on logits
std::vector<Bench> decoding_benches(BenchScale scale);  // whole answers, prefill included
std::vector<Bench> boundary_benches(BenchScale scale);  // steps of running texts, with and without a boundary
std::vector<Bench> training_benches(BenchScale scale);

struct Timing {
  Variant variant;
  std::string failure;           // why there are no times; "" if there are
  double median = 0, least = 0;  // seconds a call
  double memory = 0;             // bytes held, and the most that a run made and held at one time; 0: not counted
};

// Two runs of every variant untimed, the second for its memory, then `repetitions` rounds of all of them. A variant
// whose first runs fail is left out of the rounds.
std::vector<Timing> time_variants(std::vector<Variant> variants, int64_t repetitions, const Stopwatch& seconds);

// The variants, and behind each that `records` the same work recorded as one graph of the device, where there are such.
std::vector<Variant> with_recorded(std::vector<Variant> variants, c10::Device device);

}  // namespace bt
