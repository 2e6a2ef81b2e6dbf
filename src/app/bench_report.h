// What bt-bench prints and writes.
#pragma once

#include <string>
#include <vector>

#include "bench.h"
#include "bt/core/json.h"
#include "bt/options/bench_options.h"

namespace bt {

// What the figures were taken on; `bandwidth`: bytes a second that a copy reads and writes.
Json bench_machine(const BenchOptions& options, c10::Device device, double bandwidth);
void print_machine(const Json& machine);

void print_bench(const Bench& bench, const std::vector<Timing>& timings, double bandwidth);
Json bench_results(const Bench& bench, const std::vector<Timing>& timings);

}  // namespace bt
