#include "bench.h"

#include <algorithm>

#include "tensor_memory.h"

namespace bt {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace

std::vector<Timing> time_variants(std::vector<Variant> variants, int64_t repetitions,
                                  const std::function<double()>& seconds_now) {
  for (const Variant& variant : variants) variant.run();
  std::vector<int64_t> memory;
  for (const Variant& variant : variants) memory.push_back(peak_tensor_bytes(variant.run));
  std::vector<std::vector<double>> seconds(variants.size());
  for (int64_t round = 0; round < repetitions; ++round) {
    for (size_t v = 0; v < variants.size(); ++v) {
      const double begin = seconds_now();
      variants[v].run();
      seconds[v].push_back(seconds_now() - begin);
    }
  }
  std::vector<Timing> timings;
  for (size_t v = 0; v < variants.size(); ++v) {
    timings.push_back({std::move(variants[v]), median(seconds[v]),
                       *std::min_element(seconds[v].begin(), seconds[v].end()), memory[v]});
  }
  return timings;
}

}  // namespace bt
