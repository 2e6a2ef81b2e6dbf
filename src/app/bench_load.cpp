// How fast a folder's weights become a decoder, beside copying as many bytes, and the memory it takes.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>

#include "bt/app/bench_app.h"
#include "bt/core/build_info.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/model/decoder.h"
#include "bt/options/bench_options.h"
#include "resident_memory.h"

namespace bt {
namespace {

constexpr int64_t kPieceBytes = 1 << 20;

struct Round {
  double seconds = 0;
  int64_t peak_bytes = 0;   // resident, above what was before
  int64_t model_bytes = 0;  // of the result
};

struct Variant {
  std::string name;
  std::function<at::Tensor()> run;  // returns what it made
  std::vector<Round> rounds = {};
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int64_t weight_bytes(const std::string& folder) {
  const WeightFiles files(folder);
  uint64_t bytes = 0;
  for (const std::string& name : files.names()) bytes += files.at(name).entry->end - files.at(name).entry->begin;
  return static_cast<int64_t>(bytes);
}

void copy_in_parallel(const at::Tensor& from, const at::Tensor& to) {
  const int64_t size = from.numel(), pieces = (size + kPieceBytes - 1) / kPieceBytes;
  const auto* source = static_cast<const char*>(from.const_data_ptr());
  auto* target = static_cast<char*>(to.mutable_data_ptr());
  at::parallel_for(0, pieces, 1, [&](int64_t first, int64_t last) {
    const int64_t begin = first * kPieceBytes, end = std::min(last * kPieceBytes, size);
    std::memcpy(target + begin, source + begin, static_cast<size_t>(end - begin));
  });
}

// The first is what the others are compared with: memory is new to the process in all but the second.
std::vector<Variant> variants(const std::string& folder, int64_t bytes) {
  const at::Tensor source = at::ones({bytes}, at::kByte), target = at::zeros({bytes}, at::kByte);
  std::vector<Variant> all;
  all.push_back({"memcpy into new memory", [source, bytes] {
                   const at::Tensor fresh = at::empty({bytes}, at::kByte);
                   copy_in_parallel(source, fresh);
                   return fresh;
                 }});
  all.push_back({"memcpy into used memory", [source, target] {
                   copy_in_parallel(source, target);
                   return target;
                 }});
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    for (const LoadMode mode : {LoadMode::mmap, LoadMode::read}) {
      const std::string name =
          str(mode == LoadMode::mmap ? "mmap" : "read", " into ", dtype == at::kFloat ? "float32" : "bfloat16");
      all.push_back(
          {name, [folder, dtype, mode] { return load_backbone(folder, dtype, false, mode).parameters->flat(); }});
    }
  }
  return all;
}

Round measure(const Variant& variant) {
  reset_peak_resident();
  const int64_t before = resident_bytes();
  const double begin = now();
  const at::Tensor made = variant.run();
  return {now() - begin, peak_resident_bytes() - before, static_cast<int64_t>(made.nbytes())};
}

struct Summary {
  explicit Summary(std::vector<Round> rounds) {
    const auto faster = [](const Round& a, const Round& b) { return a.seconds < b.seconds; };
    std::sort(rounds.begin(), rounds.end(), faster);
    least = rounds.front().seconds;
    most = rounds.back().seconds;
    median = rounds[rounds.size() / 2].seconds;
    for (const Round& round : rounds)
      peak = std::max(peak, static_cast<double>(round.peak_bytes) / static_cast<double>(round.model_bytes));
  }
  double median = 0, least = 0, most = 0;  // seconds
  double peak = 0;                         // resident memory as a multiple of the result, the worst round
};

void print(const std::vector<Variant>& all, int64_t bytes) {
  std::printf("%-26s %8s %8s %8s %8s %8s %12s\n", "", "median s", "least s", "most s", "GB/s", "time x", "peak memory");
  const double base = Summary(all[0].rounds).median;
  for (const Variant& variant : all) {
    const Summary s(variant.rounds);
    std::printf("%-26s %8.3f %8.3f %8.3f %8.2f %8.2f", variant.name.c_str(), s.median, s.least, s.most,
                1e-9 * static_cast<double>(bytes) / s.median, s.median / base);
    if (variant.name.starts_with("memcpy"))
      std::printf(" %12s\n", "-");
    else
      std::printf(" %11.3fx\n", s.peak);
  }
  std::puts(
      "\nGB/s: of the file. time x: of copying its bytes in memory. peak memory: resident, above that before, of"
      "\nthe decoder's size.");
}

Json report(const std::vector<Variant>& all, int64_t bytes) {
  Json rows = Json::array();
  for (const Variant& variant : all) {
    const Summary s(variant.rounds);
    rows.push_back(Json::object({{"name", variant.name},
                                 {"median_seconds", s.median},
                                 {"least_seconds", s.least},
                                 {"most_seconds", s.most},
                                 {"peak_memory_ratio", s.peak}}));
  }
  return Json::object({{"git_hash", build_info().git_hash},
                       {"threads", static_cast<int64_t>(at::get_num_threads())},
                       {"file_bytes", bytes},
                       {"variants", std::move(rows)}});
}

int bench_load(const LoadBenchOptions& options) {
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  const int64_t bytes = weight_bytes(options.model);
  std::printf("%s: %.3f GB of weights, %d threads, %lld rounds\n\n", options.model.c_str(),
              1e-9 * static_cast<double>(bytes), at::get_num_threads(), static_cast<long long>(options.repetitions));
  std::vector<Variant> all = variants(options.model, bytes);
  for (const Variant& variant : all) variant.run();  // fills the page cache
  for (int64_t round = 0; round < options.repetitions; ++round) {
    for (Variant& variant : all) variant.rounds.push_back(measure(variant));
  }
  print(all, bytes);
  if (!options.json.empty()) write_file_atomically(options.json, report(all, bytes).dump(2) + "\n");
  return 0;
}

}  // namespace
}  // namespace bt

int bt_app_bench_load(const void* request) {
  return bt::bench_load(*static_cast<const bt::LoadBenchOptions*>(request));
}
