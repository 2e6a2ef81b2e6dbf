#include "bt/data/branches.h"

#include <algorithm>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/random.h"

namespace bt {
namespace {

// Ends of prefixes whose next token is supervised.
std::vector<int64_t> places_of(const Plan& plan, const PlanSequence& sequence) {
  std::vector<int64_t> places;
  for (int64_t end = 1; end < sequence.end - sequence.begin; ++end) {
    if (plan.targets[static_cast<size_t>(sequence.begin + end - 1)] >= 0) places.push_back(end);
  }
  return places;
}

// `count` of them, ascending.
std::vector<int64_t> drawn(const std::vector<int64_t>& places, int64_t count, uint64_t seed, uint64_t stream) {
  std::vector<int64_t> order(places.size()), chosen;
  permutation(seed, stream, order);
  order.resize(std::min(order.size(), static_cast<size_t>(count)));
  for (const int64_t at : order) chosen.push_back(places[static_cast<size_t>(at)]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

bool predicts(const Plan& plan, const PlanBranch& branch, int64_t ahead) {
  const PlanSequence& sequence = plan.sequences[static_cast<size_t>(branch.sequence)];
  const int64_t before = sequence.begin + branch.join_end + ahead - 1;
  return before + 1 < sequence.end && plan.targets[static_cast<size_t>(before)] >= 0;
}

Plan with_branches(Plan plan, const BranchOptions& options, const BranchDraw& draw) {
  BT_ASSERT(plan.depths() == 1 && plan.events.empty());
  BT_ASSERT(options.min_lag >= 0 && options.min_lag <= options.max_lag);
  plan.branch_shape = options.shape;
  plan.supervised_tokens = 0;
  int64_t longest = 1;  // rest of a text behind a place
  for (size_t s = 0; s < plan.sequences.size(); ++s) {
    CounterRng rng(draw.seed, draw.draw, static_cast<uint64_t>(plan.sequences[s].source));
    const uint64_t stream = rng.next_u64();
    for (const int64_t end : drawn(places_of(plan, plan.sequences[s]), options.places, draw.seed, stream)) {
      const auto lag = options.min_lag +
                       static_cast<int64_t>(rng.below(static_cast<uint64_t>(options.max_lag - options.min_lag + 1)));
      const PlanBranch branch{static_cast<int32_t>(s), std::max<int64_t>(1, end - lag), end};
      for (int64_t a = 0; a < options.shape.ahead; ++a) plan.supervised_tokens += predicts(plan, branch, a) ? 1 : 0;
      plan.branches.push_back(branch);
      longest = std::max(longest, plan.sequences[s].end - plan.sequences[s].begin - end);
    }
  }
  plan.branch_shape.ahead = std::min(options.shape.ahead, longest);
  return plan;
}

}  // namespace bt
