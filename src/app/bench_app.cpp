#include "bt/app/bench_app.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>

#include "bench.h"
#include "bt/core/build_info.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/options/bench_options.h"

namespace bt {
namespace {

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

at::Device device_of(const BenchOptions& options) {
  if (options.device == "auto") return at::hasCUDA() ? at::Device(at::kCUDA) : at::Device(at::kCPU);
  return at::Device(options.device);
}

at::ScalarType dtype_of(const BenchOptions& options) {
  if (options.dtype == "float64") return at::kDouble;
  return options.dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

// The clock of a device that works beside the CPU waits for it.
std::function<double()> clock_of(const BenchOptions& options, const at::Device& device) {
  if (options.clock == "cpu") return cpu_seconds;
  if (device.is_cpu()) return wall_seconds;
  return [device] {
    at::zeros({1}, c10::TensorOptions(device)).item<float>();
    return wall_seconds();
  };
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return std::string(trim(line.substr(line.find(':') + 1)));
  }
  return "unknown";
}

Json machine(const BenchOptions& options, const at::Device& device) {
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
                       {"repetitions", options.repetitions}});
}

void print_machine(const Json& machine) {
  std::string line;
  for (const auto& [key, value] : machine.as_object("bench"))
    line += str(line.empty() ? "" : ", ", key, " ", value.dump());
  std::printf("%s\n", line.c_str());
}

void print_bench(const Bench& bench, const std::vector<Timing>& timings) {
  std::printf("\n%s: %s\n%-28s %10s %10s %10s %9s %10s %8s %8s %9s\n", bench.name.c_str(), bench.shape.c_str(), "",
              "median ms", "least ms", "GFLOP/s", "GB/s", "tokens/s", "time x", "FLOPs x", "MB");
  const Timing& base = timings[0];
  const auto cell = [](int width, int digits, double value) {
    if (value > 0)
      std::printf(" %*.*f", width, digits, value);
    else
      std::printf(" %*s", width, "-");
  };
  for (const Timing& timing : timings) {
    std::printf("%-28s", timing.variant.name.c_str());
    cell(10, 3, timing.median * 1e3);
    cell(10, 3, timing.least * 1e3);
    cell(10, 1, timing.variant.flops / timing.median * 1e-9);
    cell(9, 1, timing.variant.bytes / timing.median * 1e-9);
    cell(10, 0, timing.variant.tokens / timing.median);
    cell(8, 3, timing.median / base.median);
    cell(8, 3, base.variant.flops > 0 ? timing.variant.flops / base.variant.flops : 0);
    cell(9, 2, static_cast<double>(timing.memory) * 1e-6);
    std::printf("\n");
  }
  std::fflush(stdout);
}

Json results(const Bench& bench, const std::vector<Timing>& timings) {
  Json variants = Json::array();
  for (const Timing& timing : timings) {
    variants.push_back(Json::object({{"name", timing.variant.name},
                                     {"median_seconds", timing.median},
                                     {"least_seconds", timing.least},
                                     {"flops", timing.variant.flops},
                                     {"bytes", timing.variant.bytes},
                                     {"tokens", timing.variant.tokens},
                                     {"memory_bytes", timing.memory}}));
  }
  return Json::object({{"name", bench.name}, {"shape", bench.shape}, {"variants", variants}});
}

std::vector<Bench> all_benches() {
  std::vector<Bench> all;
  for (const auto& part : {operator_benches(), decoding_benches(), training_benches()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

int run_benches(const BenchOptions& options) {
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  const at::Device device = device_of(options);
  const auto tensors = c10::TensorOptions(device).dtype(dtype_of(options));
  Json report = Json::object({{"machine", machine(options, device)}, {"benches", Json::array()}});
  print_machine(*report.find("machine"));
  Json found = Json::array();
  for (const Bench& bench : all_benches()) {
    if (bench.name.find(options.filter) == std::string::npos) continue;
    const std::vector<Timing> timings =
        time_variants(bench.make(tensors), options.repetitions, clock_of(options, device));
    print_bench(bench, timings);
    found.push_back(results(bench, timings));
  }
  if (found.as_array("benches").empty()) log::warning("no bench's name holds " + quoted_excerpt(options.filter));
  report.set("benches", std::move(found));
  if (!options.json.empty()) write_file_atomically(options.json, report.dump(2) + "\n");
  return 0;
}

}  // namespace
}  // namespace bt

int bt_app_bench(const void* request) { return bt::run_benches(*static_cast<const bt::BenchOptions*>(request)); }
