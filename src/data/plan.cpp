#include "bt/data/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

void check_example(const Example& example, size_t index, int64_t vocab_size) {
  const auto where = [&] { return str("example ", index, " of the batch (data set index ", example.source, ")"); };
  const auto length = static_cast<int64_t>(example.ids.size());
  if (length == 0) fail_bad_file({.what = "an example has no tokens", .where = where()});
  if (length > std::numeric_limits<int32_t>::max()) {
    fail_bad_file({.what = "an example is too long to number its positions", .where = where(), .found = str(length)});
  }
  if (example.supervised.size() != example.ids.size()) {
    fail_bad_file({.what = "the loss mask does not fit the tokens",
                   .where = where(),
                   .expected = str(length, " entries"),
                   .found = str(example.supervised.size())});
  }
  if (example.prompt_length < 0 || example.prompt_length > length) {
    fail_bad_file({.what = "the prompt does not fit the tokens",
                   .where = where(),
                   .expected = str("0 to ", length),
                   .found = str(example.prompt_length)});
  }
  const auto bad =
      std::find_if(example.ids.begin(), example.ids.end(), [&](int32_t id) { return id < 0 || id >= vocab_size; });
  if (bad != example.ids.end()) {
    fail_bad_file({.what = "a token id is outside the vocabulary",
                   .where = where(),
                   .expected = str("0 to ", vocab_size - 1),
                   .found = str(*bad),
                   .next_step = "use the tokenizer that the model was made with"});
  }
}

void append_sequence(Plan& plan, const Example& example, int64_t index) {
  const int64_t begin = plan.tokens();
  const size_t length = example.ids.size();
  plan.ids.insert(plan.ids.end(), example.ids.begin(), example.ids.end());
  for (size_t i = 0; i < length; ++i) {
    const bool predicts = i + 1 < length && example.supervised[i + 1] != 0;
    plan.positions.push_back(static_cast<int32_t>(i));
    plan.targets.push_back(predicts ? example.ids[i + 1] : -1);
    plan.supervised_tokens += predicts ? 1 : 0;
  }
  plan.sequences.push_back({.begin = begin,
                            .end = plan.tokens(),
                            .prompt_length = example.prompt_length,
                            .source = example.key(),
                            .example = index});
}

// Appends segment `depth` of a sequence with boundaries at the rows `starts`, and the event that ends it, if any.
void append_segment(Plan& plan, int32_t sequence, const std::vector<int64_t>& starts, size_t depth, int32_t parent,
                    const TriggerOptions& trigger) {
  const PlanSequence& owner = plan.sequences[static_cast<size_t>(sequence)];
  const bool last = depth == starts.size();
  const int64_t cut_before = depth == 0 ? 0 : starts[depth - 1];
  const int64_t begin = depth == 0 ? 0 : cut_before + trigger.lag;
  const int64_t end = last ? owner.end - owner.begin : starts[depth] + trigger.lag;
  const auto index = checked_cast<int32_t>(plan.segments.size(), "segments of a batch");
  plan.segments.push_back({.sequence = sequence,
                           .parent = parent,
                           .depth = static_cast<int32_t>(depth),
                           .prefix_end = begin,
                           .begin = owner.begin + begin,
                           .end = owner.begin + end,
                           .event = last ? -1 : static_cast<int32_t>(plan.events.size())});
  if (last) return;
  plan.events.push_back({.sequence = sequence,
                         .segment = index,
                         .ordinal = static_cast<int32_t>(depth),
                         .step_begin = step_begin(cut_before, starts[depth], owner.prompt_length, trigger),
                         .rows = starts[depth]});
}

}  // namespace

Plan make_plan(const std::vector<Example>& batch, const BoundaryTable& table, const TriggerOptions& trigger,
               const std::vector<int32_t>& eos_ids) {
  std::vector<std::vector<int64_t>> starts(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    check_example(batch[i], i, table.vocab_size());
    BT_ASSERT(!asks_model(trigger) || batch[i].uncertainty.size() == batch[i].ids.size());
    starts[i] = step_starts(batch[i].ids, batch[i].prompt_length, table, trigger, eos_ids, batch[i].uncertainty);
    while (!starts[i].empty() && starts[i].back() + trigger.lag >= static_cast<int64_t>(batch[i].ids.size()))
      starts[i].pop_back();  // nothing would see it
  }
  std::vector<size_t> order(batch.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return starts[a].size() > starts[b].size(); });

  Plan plan;
  for (const size_t i : order) append_sequence(plan, batch[i], static_cast<int64_t>(i));
  plan.depth_begin.push_back(0);
  std::vector<int32_t> parents(batch.size(), -1);  // the last segment of each sequence so far
  const size_t depths = order.empty() ? 0 : starts[order[0]].size() + 1;
  for (size_t depth = 0; depth < depths; ++depth) {
    for (size_t s = 0; s < order.size() && starts[order[s]].size() >= depth; ++s) {
      append_segment(plan, static_cast<int32_t>(s), starts[order[s]], depth, parents[s], trigger);
      parents[s] = static_cast<int32_t>(plan.segments.size()) - 1;
    }
    plan.depth_begin.push_back(static_cast<int64_t>(plan.segments.size()));
  }
  return plan;
}

}  // namespace bt
