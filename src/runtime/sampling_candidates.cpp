#include "sampling_candidates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace bt {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

// The k-th greatest logit, in one pass: what is below the k-th of those seen so far is never looked at again.
template <class T>
double kth_greatest(const T* logits, int64_t vocabulary, int64_t k, std::vector<double>& best) {
  const auto wanted = static_cast<size_t>(k);
  const auto shrink = [&] {
    std::nth_element(best.begin(), best.begin() + (k - 1), best.end(), std::greater<>());
    best.resize(wanted);
    return best.back();
  };
  best.clear();
  double floor = kNever;
  for (int64_t id = 0; id < vocabulary; ++id) {
    if (logits[id] <= floor) continue;
    best.push_back(static_cast<double>(logits[id]));
    if (best.size() == 2 * wanted + 64) floor = shrink();
  }
  return best.size() > wanted ? shrink() : best.size() == wanted ? *std::min_element(best.begin(), best.end()) : floor;
}

// A row with its weights relative to the greatest logit.
template <class T>
struct Row {
  const T* logits;
  int64_t vocabulary;
  double greatest, temperature;

  double scaled(int64_t id) const { return (static_cast<double>(logits[id]) - greatest) / temperature; }

  // Those whose logit is at least `floor` and finite.
  void keep_from(double floor, std::vector<Candidate>& kept) const {
    kept.clear();
    for (int64_t id = 0; id < vocabulary; ++id) {
      if (logits[id] < floor || static_cast<double>(logits[id]) == kNever) continue;
      kept.push_back({static_cast<int32_t>(id), std::exp(scaled(id))});
    }
  }

  double total_from(double floor) const {
    double total = 0;
    for (int64_t id = 0; id < vocabulary; ++id) {
      if (logits[id] >= floor) total += std::exp(scaled(id));
    }
    return total;
  }
};

// Shortens `kept`, likeliest first, to the smallest set that holds `share`; false where all of it holds less.
bool cut_to_share(std::vector<Candidate>& kept, double share) {
  std::sort(kept.begin(), kept.end(), [](const Candidate& a, const Candidate& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
  });
  double held = 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    held += kept[i].probability;
    if (held < share) continue;
    kept.resize(i + 1);
    return true;
  }
  return false;
}

// The set of top-p among the logits from `floor` on, by descending likelihood. The tail below exp(-depth) is left out
// as long as the rest holds the share, so that a peaked row sorts a handful of tokens.
template <class T>
void keep_share(const Row<T>& row, double floor, double top_p, std::vector<Candidate>& kept) {
  const double share = top_p * row.total_from(floor);
  for (double depth = 8; depth < 800; depth *= 2) {
    row.keep_from(std::max(floor, row.greatest - depth * row.temperature), kept);
    if (cut_to_share(kept, share)) return;
  }
  row.keep_from(floor, kept);
  cut_to_share(kept, share);
}

}  // namespace

template <class T>
void keep_candidates(const T* logits, int64_t vocabulary, double greatest, const SamplingOptions& options,
                     SamplingScratch& scratch) {
  const Row<T> row{logits, vocabulary, greatest, options.temperature};
  const bool some = options.top_k > 0 && options.top_k < vocabulary;
  const double floor = some ? kth_greatest(logits, vocabulary, options.top_k, scratch.best) : kNever;
  if (options.top_p < 1) {
    keep_share(row, floor, options.top_p, scratch.kept);
    std::erase_if(scratch.kept, [&](const Candidate& c) { return c.probability < options.min_p; });
    std::sort(scratch.kept.begin(), scratch.kept.end(),
              [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
    return;
  }
  // A little below min_p's own limit: the weights decide.
  const double least = options.min_p > 0 ? greatest + options.temperature * (std::log(options.min_p) - 1e-6) : kNever;
  row.keep_from(std::max(floor, least), scratch.kept);
  std::erase_if(scratch.kept, [&](const Candidate& c) { return c.probability < options.min_p; });
}

template void keep_candidates<float>(const float*, int64_t, double, const SamplingOptions&, SamplingScratch&);
template void keep_candidates<double>(const double*, int64_t, double, const SamplingOptions&, SamplingScratch&);

}  // namespace bt
