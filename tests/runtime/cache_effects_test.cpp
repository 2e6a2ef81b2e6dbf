// Methods that add rows to the cache or take some away: both orders against a naive reference whose caches are lists.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "latent/latent_test_support.h"
#include "support/naive_cache.h"

namespace bt {
namespace {

using testing::NaiveEvent;
using testing::NaiveRow;
using Rows = std::vector<NaiveRow>;
using Indices = std::vector<size_t>;

bool next_sees(const NaiveEvent& event, const Rows& rows, size_t t) {
  return event.window == 0 || rows.back().position + 1 - rows[t].position < event.window;
}

// Of candidates, the `most` of greatest mass, ascending; equal masses: the lower row.
Indices heaviest(Indices candidates, const std::vector<double>& mass, size_t most) {
  std::stable_sort(candidates.begin(), candidates.end(), [&](size_t a, size_t b) { return mass[a] > mass[b]; });
  candidates.resize(std::min(candidates.size(), most));
  std::sort(candidates.begin(), candidates.end());
  return candidates;
}

// ---- append_rows: changed entries go in front of the tokens' rows, behind those appended before.

struct NaiveAppend {
  const Method& method;
  size_t recent, recall, exclude_first = 0;
  bool recent_of_any_step = false;
  std::map<int64_t, size_t> appended;  // by layer

  void operator()(const NaiveEvent& event, Rows& rows) {
    const size_t newest = std::min(recent, recent_of_any_step ? rows.size() : event.step);
    const auto mass = event.mass(rows.size(), recent);
    Indices chosen, candidates;
    for (size_t t = 0; t < rows.size(); ++t) {
      if (!next_sees(event, rows, t)) continue;
      const bool is_recent = t >= rows.size() - newest;
      if (is_recent) chosen.push_back(t);
      if (!is_recent && rows[t].position >= static_cast<int64_t>(exclude_first)) candidates.push_back(t);
    }
    const size_t recent_count = chosen.size();
    for (const size_t t : heaviest(candidates, mass, recall)) chosen.push_back(t);
    if (chosen.empty()) return;
    const Rows added = changed(event, rows, chosen, recent_count);
    size_t& front = appended[event.layer];
    rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(front), added.begin(), added.end());
    front += added.size();
  }

  Rows changed(const NaiveEvent& event, const Rows& rows, const Indices& chosen, size_t recent_count) const {
    std::vector<at::Tensor> entries;
    std::vector<int64_t> positions, kinds;
    for (size_t i = 0; i < chosen.size(); ++i) {
      entries.push_back(at::cat({rows[chosen[i]].k_GD.flatten(), rows[chosen[i]].v_GD.flatten()}));
      positions.push_back(rows[chosen[i]].position);
      kinds.push_back(static_cast<int64_t>(i < recent_count ? RowKind::recent : RowKind::recalled));
    }
    const at::Tensor u_WC = at::stack(entries);
    const Events events{.layer_begin = event.layer,
                        .layer_end = event.layer + 1,
                        .u_YEWC = u_WC.view({1, 1, u_WC.size(0), u_WC.size(1)}),
                        .position_YEW = at::tensor(positions).view({1, 1, -1}),
                        .kind_YEW = at::tensor(kinds).to(at::kChar).view({1, 1, -1})};
    const Edit edit = method.effects().append_rows->edit(events, method.parameters()->layer_leaves(event.layer));
    const at::Tensor new_WC = u_WC + (edit.gate * edit.delta_YEWC).view(u_WC.sizes());
    Rows out;
    for (size_t i = 0; i < chosen.size(); ++i) {
      const auto halves = new_WC[static_cast<int64_t>(i)].chunk(2);
      out.push_back({halves[0].view(rows[0].k_GD.sizes()), halves[1].view(rows[0].k_GD.sizes()), positions[i]});
    }
    return out;
  }
};

// ---- evict: the newest rows stay, and of the earlier ones those of greatest pooled mass.

struct NaiveEvict {
  size_t keep, recent, pool = 1;
  bool by_max = false;

  void operator()(const NaiveEvent& event, Rows& rows) const {
    const size_t newest = std::min(recent, rows.size()), earlier = rows.size() - newest;
    const auto mass = event.mass(rows.size(), recent);
    std::vector<double> pooled(rows.size(), 0);
    Indices candidates;
    for (size_t t = 0; t < earlier; ++t) {
      for (size_t i = t < pool / 2 ? 0 : t - pool / 2; i < std::min(earlier, t + pool / 2 + 1); ++i)
        pooled[t] = by_max ? std::max(pooled[t], mass[i]) : pooled[t] + mass[i] / static_cast<double>(pool);
      if (next_sees(event, rows, t)) candidates.push_back(t);
    }
    Rows left;
    for (const size_t t : heaviest(candidates, pooled, keep)) left.push_back(rows[t]);
    for (size_t t = earlier; t < rows.size(); ++t) {
      if (next_sees(event, rows, t)) left.push_back(rows[t]);
    }
    rows = left;
  }
};

// ---- gist: the step's rows become one row a group.

struct NaiveGist {
  size_t gists, recent;

  void operator()(const NaiveEvent& event, Rows& rows) const {
    const auto mass = event.mass(rows.size(), recent);
    const size_t begin = rows.size() - event.step, groups = std::min(gists, event.step);
    Rows left(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(begin));
    for (size_t g = 0; g < groups; ++g) {
      // Entries w of n with floor(w M / n) = g.
      const size_t from = (g * event.step + groups - 1) / groups, to = ((g + 1) * event.step + groups - 1) / groups;
      size_t carrier = begin + from;
      double sum = 0;
      for (size_t t = begin + from; t < begin + to; ++t) sum += mass[t];
      at::Tensor value = at::zeros_like(rows[0].v_GD);
      for (size_t t = begin + from; t < begin + to; ++t) {
        if (mass[t] > mass[carrier]) carrier = t;
        const double share = sum > 0 ? mass[t] / sum : 1.0 / static_cast<double>(to - from);  // beyond every window
        value = value + share * rows[t].v_GD;
      }
      left.push_back({rows[carrier].k_GD, value, rows[carrier].position});
    }
    rows = left;
  }
};

// ----

struct Case {
  std::string name, method, yaml;
  std::function<std::function<void(const NaiveEvent&, Rows&)>(const Method&)> naive;  // a fresh one per sequence
  int64_t bptt_steps = 1, sequences = 5, attention_window = 0;
  double softcap = 0;
  bool before_newline = false, inside_prompt = false, at_prompt_end = true, prompt_newlines = true;
  std::string family = "llama";
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class CacheEffects : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    ModelConfig config = testing::tiny_config(3, c.family);
    if (c.softcap > 0) config.attention_softcap = c.softcap;
    if (c.attention_window > 0) config.window = {0, c.attention_window, c.attention_window + 3};
    backbone_ = testing::tiny_backbone(config, false);
    method_ = testing::tiny_method(c.method, c.yaml);
    if (method_->parameters() != nullptr) testing::perturb(*method_);
    plan_ = plan_for(
        method_.get(), testing::random_batch(3, {.sequences = c.sequences, .newline_in_prompt = c.prompt_newlines}),
        testing::tiny_table(),
        {.at_prompt_end = c.at_prompt_end, .inside_prompt = c.inside_prompt, .before_boundary_token = c.before_newline},
        {testing::kEos});
  }

  at::Tensor naive_loss() const {
    at::Tensor loss = at::zeros({}, at::kDouble);
    for (int32_t b = 0; b < static_cast<int32_t>(plan_.sequences.size()); ++b) {
      const auto act = GetParam().naive(*method_);
      loss = loss + testing::naive_cache_loss(backbone_.decoder, plan_, b,
                                              {.bptt_steps = GetParam().bptt_steps, .act = act, .enter = {}});
    }
    return loss;
  }

  // The loss, and the gradient where something trains.
  std::pair<double, at::Tensor> outcome(const at::Tensor& loss) const {
    if (method_->parameters() == nullptr) return {loss.item<double>(), at::zeros({1}, at::kDouble)};
    method_->parameters()->zero_grad();
    loss.backward();
    return {loss.item<double>(), method_->parameters()->flat_grad().clone()};
  }

  Backbone backbone_;
  std::unique_ptr<Method> method_;
  Plan plan_;
};

TEST_P(CacheEffects, OrdersEqualTheNaiveReference) {
  ASSERT_GT(plan_.depths(), 1);
  const auto [loss, gradient] = outcome(naive_loss());
  const double scale = gradient.abs().max().item<double>();
  EXPECT_EQ(scale > 0, method_->parameters() != nullptr);
  const DevicePlan plan = to_device(plan_, at::kCPU);
  const double plain = teacher_forced(backbone_.decoder, nullptr, plan, {}).loss.item<double>();
  EXPECT_GT(std::abs(loss - plain), 1e-6 * plain) << "the method makes no difference";
  for (const auto& [order, keep] : {std::pair{Order::step_major, true}, std::pair{Order::layer_major, true},
                                    std::pair{Order::layer_major, false}}) {
    const ForwardOptions options{
        .order = order, .bptt_steps = GetParam().bptt_steps, .keep_activations = keep, .record_rows = false};
    const auto [own_loss, own_gradient] = outcome(teacher_forced(backbone_.decoder, method_.get(), plan, options).loss);
    EXPECT_NEAR(own_loss, loss, 1e-9 * loss);
    EXPECT_LE((own_gradient - gradient).abs().max().item<double>(), 1e-9 * scale);
  }
}

void add_awkward(std::vector<Case>& all, const Case& base) {
  const auto add = [&](const char* what, const auto& change) {
    Case c = base;
    c.name += what;
    change(c);
    all.push_back(c);
  };
  add("", [](Case&) {});
  add("_one_sequence", [](Case& c) { c.sequences = 1; });
  add("_nineteen", [](Case& c) { c.sequences = 19; });
  add("_before", [](Case& c) { c.before_newline = true; });
  add("_plain_prompts_window_cap", [](Case& c) {
    c.prompt_newlines = false;
    c.attention_window = 6;
    c.softcap = 1.5;
  });
  add("_inside_prompt", [](Case& c) { c.inside_prompt = true; });
  add("_not_at_prompt_end", [](Case& c) { c.at_prompt_end = false; });
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto appends = [](size_t recent, size_t recall, size_t exclude = 0, bool any_step = false) {
    return [=](const Method& method) -> std::function<void(const NaiveEvent&, Rows&)> {
      return NaiveAppend{method, recent, recall, exclude, any_step, {}};
    };
  };
  for (const int64_t bptt : {1, 2, 0})
    add_awkward(
        all,
        {.name = str("append_rows_bptt", bptt), .method = "append_rows", .naive = appends(4, 3), .bptt_steps = bptt});
  for (const int64_t bptt : {1, 0}) {
    const std::string tag = str("append_rows_bptt", bptt);
    all.push_back({.name = tag + "_everything",
                   .method = "append_rows",
                   .yaml = "{recent: 64, recall: 100, width: 12, heads: 3, feed_forward: 20, out_deviation: 0.2}",
                   .naive = appends(64, 100),
                   .bptt_steps = bptt});
    all.push_back({.name = tag + "_recent_exclude_first",
                   .method = "append_rows",
                   .yaml = "window: recent\nrecall_exclude_first: 2\ncausal: true\nkey_frame: unrotated\n",
                   .naive = appends(4, 3, 2, true),
                   .bptt_steps = bptt,
                   .family = "qwen3"});
  }
  const auto evicts = [](size_t keep, size_t recent, size_t pool, bool by_max) {
    return [=](const Method&) -> std::function<void(const NaiveEvent&, Rows&)> {
      return NaiveEvict{keep, recent, pool, by_max};
    };
  };
  add_awkward(all,
              {.name = "evict", .method = "evict", .yaml = "{keep: 4, recent: 3}", .naive = evicts(4, 3, 1, false)});
  add_awkward(all, {.name = "evict_pool_mean",
                    .method = "evict",
                    .yaml = "{keep: 4, recent: 3, pool: 3}",
                    .naive = evicts(4, 3, 3, false)});
  add_awkward(all, {.name = "evict_pool_max",
                    .method = "evict",
                    .yaml = "{keep: 3, recent: 2, pool: 5, pool_by: max}",
                    .naive = evicts(3, 2, 5, true),
                    .bptt_steps = 0});
  const auto gists = [](size_t rows, size_t recent) {
    return [=](const Method&) -> std::function<void(const NaiveEvent&, Rows&)> { return NaiveGist{rows, recent}; };
  };
  add_awkward(all, {.name = "gist", .method = "gist", .yaml = "{rows: 2}", .naive = gists(2, 64)});
  add_awkward(all, {.name = "gist_of_one_voter",
                    .method = "gist",
                    .yaml = "{rows: 3, recent: 1}",
                    .naive = gists(3, 1),
                    .bptt_steps = 0});
  all.push_back({.name = "gist_of_one_row", .method = "gist", .yaml = "{rows: 1}", .naive = gists(1, 64)});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cases, CacheEffects, ::testing::ValuesIn(cases()),
                         [](const ::testing::TestParamInfo<Case>& one) { return one.param.name; });

}  // namespace
}  // namespace bt
