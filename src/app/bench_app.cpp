#include "bt/app/bench_app.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "bench.h"
#include "bench_report.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/train/setup.h"

namespace bt {
namespace {

BenchScale scale_of(const BenchOptions& options, c10::Device device) {
  if (options.scale == "auto") return device.is_cpu() ? BenchScale::small : BenchScale::large;
  return options.scale == "large" ? BenchScale::large : BenchScale::small;
}

std::vector<Bench> chosen_benches(const BenchOptions& options, BenchScale scale) {
  std::vector<Bench> chosen;
  for (const auto& benches :
       {operator_benches, layer_benches, head_benches, decoding_benches, boundary_benches, training_benches}) {
    for (Bench& bench : benches(scale)) {
      if (bench.name.find(options.filter) != std::string::npos) chosen.push_back(std::move(bench));
    }
  }
  return chosen;
}

// A bench that cannot be made, for want of memory say, must not cost the others.
std::vector<Timing> timed(const Bench& bench, const c10::TensorOptions& tensors, int64_t repetitions,
                          const Stopwatch& seconds) {
  try {
    return time_variants(with_recorded(bench.make(tensors), tensors.device()), repetitions, seconds);
  } catch (const std::exception& error) {
    return {{.variant = {.name = "all"}, .failure = error.what()}};
  }
}

int run_benches(const BenchOptions& options) {
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  const at::Device device = resolve_device(options.device, "--device");
  const auto tensors = c10::TensorOptions(device).dtype(scalar_type(options.dtype));
  const Stopwatch seconds = stopwatch(options.clock, device);
  const std::vector<Bench> benches = chosen_benches(options, scale_of(options, device));
  if (benches.empty()) {
    fail_usage({.what = "no bench's name holds this text",
                .where = "--filter",
                .expected = "part of a name such as ops/, decode/ or train/",
                .found = quoted_excerpt(options.filter)});
  }
  const double bandwidth = copy_bandwidth(device, seconds);
  Json report = Json::object({{"machine", bench_machine(options, device, bandwidth)}, {"benches", Json::array()}});
  print_machine(*report.find("machine"));
  Json results = Json::array();
  bool failed = false;
  for (const Bench& bench : benches) {
    const std::vector<Timing> timings = timed(bench, tensors, options.repetitions, seconds);
    failed |= std::any_of(timings.begin(), timings.end(), [](const Timing& t) { return !t.failure.empty(); });
    print_bench(bench, timings, bandwidth);
    results.push_back(bench_results(bench, timings));
    report.set("benches", results);  // written as they come, so that an interrupted run leaves what it found
    if (!options.json.empty()) write_file_atomically(options.json, report.dump(2) + "\n");
  }
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace
}  // namespace bt

int bt_app_bench(const void* request) { return bt::run_benches(*static_cast<const bt::BenchOptions*>(request)); }
