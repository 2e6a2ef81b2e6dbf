#include "bench_report.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <fstream>

#include "bt/core/build_info.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return std::string(trim(line.substr(line.find(':') + 1)));
  }
  return "unknown";
}

void cell(int width, int digits, double value) {
  if (value > 0)
    std::printf(" %*.*f", width, digits, value);
  else
    std::printf(" %*s", width, "-");
}

double ratio(double value, double base) { return base > 0 ? value / base : 0; }

}  // namespace

Json bench_machine(const BenchOptions& options, c10::Device device, double bandwidth) {
  const BuildInfo& build = build_info();
  return Json::object({{"version", build.version},
                       {"git_hash", build.git_hash},
                       {"libtorch", build.libtorch_version},
                       {"compiler", build.compiler},
                       {"build_type", build.build_type},
                       {"device", device.str()},
                       {"cpu", cpu_name()},
                       {"dtype", options.dtype},
                       {"threads", static_cast<int64_t>(at::get_num_threads())},
                       {"clock", options.clock},
                       {"repetitions", options.repetitions},
                       {"copy_bytes_per_second", bandwidth}});
}

void print_machine(const Json& machine) {
  std::string line;
  for (const auto& [key, value] : machine.as_object("bench"))
    line += str(line.empty() ? "" : ", ", key, " ", value.dump());
  std::printf("%s\n", line.c_str());
}

void print_bench(const Bench& bench, const std::vector<Timing>& timings, double bandwidth) {
  std::printf("\n%s: %s\n%-34s %10s %10s %10s %9s %8s %10s %8s %8s %10s %8s\n", bench.name.c_str(), bench.shape.c_str(),
              "", "median ms", "least ms", "GFLOP/s", "GB/s", "of copy", "tokens/s", "time x", "FLOPs x", "MB",
              "memory x");
  const Timing& base = timings[0];
  for (const Timing& timing : timings) {
    std::printf("%-34s", timing.variant.name.c_str());
    if (!timing.failure.empty()) {
      std::printf(" FAILED: %s\n", timing.failure.c_str());
      continue;
    }
    cell(10, 4, timing.median * 1e3);
    cell(10, 4, timing.least * 1e3);
    cell(10, 1, timing.variant.flops / timing.median * 1e-9);
    cell(9, 1, timing.variant.bytes / timing.median * 1e-9);
    cell(8, 3, timing.variant.bytes / timing.median / bandwidth);
    cell(10, 0, timing.variant.tokens / timing.median);
    cell(8, 3, ratio(timing.median, base.median));
    cell(8, 3, ratio(timing.variant.flops, base.variant.flops));
    cell(10, 2, timing.memory * 1e-6);
    cell(8, 3, ratio(timing.memory, base.memory));
    std::printf("\n");
  }
  std::fflush(stdout);
}

Json bench_results(const Bench& bench, const std::vector<Timing>& timings) {
  Json variants = Json::array();
  for (const Timing& timing : timings) {
    Json one = Json::object({{"name", timing.variant.name}});
    if (timing.failure.empty()) {
      one.set("median_seconds", timing.median);
      one.set("least_seconds", timing.least);
      one.set("flops", timing.variant.flops);
      one.set("bytes", timing.variant.bytes);
      one.set("tokens", timing.variant.tokens);
      one.set("memory_bytes", timing.memory);
    } else {
      one.set("failure", timing.failure);
    }
    variants.push_back(std::move(one));
  }
  return Json::object({{"name", bench.name}, {"shape", bench.shape}, {"variants", variants}});
}

}  // namespace bt
