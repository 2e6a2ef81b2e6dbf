#include "bench.h"

#include <algorithm>
#include <exception>

#include "bt/ops/device_graph.h"
#include "bt/runtime/tensor_memory.h"

namespace bt {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

void prepare(const Variant& variant) {
  if (variant.prepare) variant.prepare();
}

// The first run may make what stays (an optimiser's state) beside what a later run needs. It also needs what recorded
// graphs hold from then on: their replays are seen to make nothing.
Timing warm_up(Variant variant) {
  Timing timing{.variant = std::move(variant)};
  try {
    const TensorMemory prepared = tensor_memory([&] { prepare(timing.variant); });
    const TensorMemory first = tensor_memory(timing.variant.run);
    prepare(timing.variant);
    const TensorMemory second = tensor_memory(timing.variant.run);
    const int64_t most = prepared.left + std::max(first.peak, first.left + second.peak);
    timing.memory = timing.variant.held + static_cast<double>(most);
  } catch (const std::exception& error) {
    timing.failure = error.what();
  }
  return timing;
}

}  // namespace

std::vector<Timing> time_variants(std::vector<Variant> variants, int64_t repetitions, const Stopwatch& seconds) {
  std::vector<Timing> timings;
  for (Variant& variant : variants) timings.push_back(warm_up(std::move(variant)));
  std::vector<std::vector<double>> taken(timings.size());
  for (int64_t round = 0; round < repetitions; ++round) {
    for (size_t v = 0; v < timings.size(); ++v) {
      const Variant& variant = timings[v].variant;
      if (!timings[v].failure.empty()) continue;
      prepare(variant);
      taken[v].push_back(seconds(variant.run) / static_cast<double>(variant.calls));
    }
  }
  for (size_t v = 0; v < timings.size(); ++v) {
    if (taken[v].empty()) continue;
    timings[v].median = median(taken[v]);
    timings[v].least = *std::min_element(taken[v].begin(), taken[v].end());
  }
  return timings;
}

std::vector<Variant> with_recorded(std::vector<Variant> variants, c10::Device device) {
  std::vector<Variant> all;
  for (Variant& variant : variants) {
    const bool records = variant.records && ops::make_device_graph(device) != nullptr;
    all.push_back(std::move(variant));
    if (!records) continue;
    Variant recorded = all.back();
    recorded.name += ", recorded";
    recorded.run = [run = recorded.run, graph = std::shared_ptr<ops::DeviceGraph>(), device]() mutable {
      if (graph == nullptr) {
        graph = ops::make_device_graph(device);
        graph->record(run);
      }
      graph->replay();
    };
    all.push_back(std::move(recorded));
  }
  return all;
}

}  // namespace bt
