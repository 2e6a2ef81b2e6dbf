// Controls of a rewriting method: what is replaced, and what stays.
#include "bt/latent/rewrite_control.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bt/core/error.h"
#include "support/tiny.h"

namespace bt {
namespace {

constexpr int64_t kPad = static_cast<int64_t>(RowKind::pad), kRecent = static_cast<int64_t>(RowKind::recent),
                  kRecalled = static_cast<int64_t>(RowKind::recalled);

// Writes 100 * source + the row's position, halves apart.
class Marks final : public Method, public Rewrite {
 public:
  std::string_view name() const override { return "marks"; }
  Effects effects() const override { return {.rewrite = this}; }
  int64_t recent_capacity() const override { return 4; }
  ChosenRows choose(const EventRows&) const override { return {}; }
  Edit edit(const Events& events, at::TensorList) const override {
    const at::Tensor mark_YEW = events.position_YEW + 100 * events.source_E.unsqueeze(1);
    const at::Tensor real_YEW = events.kind_YEW != kPad;
    const at::Tensor delta = (mark_YEW * real_YEW).to(at::kDouble).unsqueeze(-1).expand_as(events.u_YEWC);
    return {delta.clone(), at::full({1}, 0.25, at::kDouble)};
  }
};

struct Event {
  int64_t source = 0, ordinal = 0;
  std::vector<int64_t> kinds, positions;
};

Events events_of(const std::vector<Event>& list, int64_t layers = 2) {
  size_t width = 0;
  for (const Event& event : list) width = std::max(width, event.kinds.size());
  std::vector<int64_t> kind, position, source, ordinal;
  for (Event event : list) {
    event.kinds.resize(width, kPad);
    event.positions.resize(width, 0);
    kind.insert(kind.end(), event.kinds.begin(), event.kinds.end());
    position.insert(position.end(), event.positions.begin(), event.positions.end());
    source.push_back(event.source);
    ordinal.push_back(event.ordinal);
  }
  const auto tensor = [](const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); };
  const std::vector<int64_t> shape{layers, static_cast<int64_t>(list.size()), static_cast<int64_t>(width)};
  const auto spread = [&](const std::vector<int64_t>& v) {
    return tensor(v).view({1, shape[1], shape[2]}).expand(shape).contiguous();
  };
  Events out;
  out.layer_end = layers;
  out.u_YEWC = at::zeros({shape[0], shape[1], shape[2], 4}, at::kDouble);
  out.position_YEW = spread(position);
  out.kind_YEW = spread(kind).to(at::kChar);
  out.source_E = tensor(source);
  out.ordinal_E = tensor(ordinal);
  return out;
}

std::unique_ptr<Method> control(const std::string& name) {
  return with_rewrite_control(std::make_unique<Marks>(), name);
}

// What stands in the first channel of one event, in the last layer.
std::vector<double> written(const Edit& edit, int64_t event) {
  std::vector<double> out;
  const at::Tensor row_W = edit.delta_YEWC[-1][event].select(1, 0);
  for (int64_t w = 0; w < row_W.size(0); ++w) out.push_back(row_W[w].item<double>());
  return out;
}

TEST(RewriteControl, RandomChangesAreAsLongAsTheOnesTheyReplace) {
  const Events events = events_of({{1, 0, {kRecent, kRecalled}, {5, 2}}, {2, 3, {kRecent}, {9}}});
  const Edit plain = Marks().edit(events, {});
  const Edit random = control("random")->effects().rewrite->edit(events, {});
  const auto lengths = [](const Edit& edit) { return edit.delta_YEWC.unflatten(-1, {2, 2}).norm(2, {-1}); };
  EXPECT_TRUE(at::allclose(lengths(plain), lengths(random), 1e-12, 0));
  EXPECT_FALSE(at::allclose(plain.delta_YEWC, random.delta_YEWC, 0.1, 0.1));
  EXPECT_TRUE(at::equal(plain.gate, random.gate));
  EXPECT_TRUE(at::equal(random.delta_YEWC[0][1][1], at::zeros({4}, at::kDouble))) << "padding";
  EXPECT_FALSE(at::allclose(random.delta_YEWC[0], random.delta_YEWC[1])) << "layers differ";
}

TEST(RewriteControl, RandomChangesDependOnTheRowNotTheBatch) {
  const Event a{1, 0, {kRecent, kRecalled}, {5, 2}}, b{2, 3, {kRecent, kRecent, kRecalled}, {8, 9, 2}};
  const auto both = control("random")->effects().rewrite->edit(events_of({b, a}), {});
  const auto alone = control("random")->effects().rewrite->edit(events_of({a}), {});
  EXPECT_TRUE(at::equal(both.delta_YEWC.select(1, 1).narrow(1, 0, 2), alone.delta_YEWC.select(1, 0)));
  const Event later{1, 1, {kRecent, kRecalled}, {5, 2}};
  const auto next = control("random")->effects().rewrite->edit(events_of({later}), {});
  EXPECT_FALSE(at::allclose(next.delta_YEWC, alone.delta_YEWC)) << "boundaries differ";
}

TEST(RewriteControl, SwappedChangesAreThoseOfTheSequenceBefore) {
  const auto swapped = control("swapped");
  const Rewrite& rewrite = *swapped->effects().rewrite;
  // Recent rows pair from the newest (the last) on, recalled ones from the first; over again where there are fewer.
  const Edit first =
      rewrite.edit(events_of({{1, 0, {kRecent, kRecent, kRecalled}, {7, 8, 3}},
                              {2, 0, {kRecent, kRecent, kRecent, kRecalled, kRecalled}, {4, 5, 6, 1, 2}}}),
                   {});
  EXPECT_EQ(written(first, 0), (std::vector<double>{0, 0, 0, 0, 0})) << "nothing came before";
  EXPECT_EQ(written(first, 1), (std::vector<double>{108, 107, 108, 103, 103}));
  EXPECT_EQ(first.gate.item<double>(), 0.25);
  // A step's end takes no change of a prompt's end; the same sequence never its own.
  const Edit step = rewrite.edit(events_of({{2, 1, {kRecent}, {9}}}), {});
  EXPECT_EQ(written(step, 0), (std::vector<double>{0}));
  const Edit another = rewrite.edit(events_of({{3, 2, {kRecent}, {9}}}), {});
  EXPECT_EQ(written(another, 0), (std::vector<double>{209}));
  const Edit again = rewrite.edit(events_of({{3, 3, {kRecent}, {11}}}), {});
  EXPECT_EQ(written(again, 0), (std::vector<double>{209})) << "of another, though its own came last";
  const Edit prompt = rewrite.edit(events_of({{2, 0, {kRecalled}, {9}}}), {});
  EXPECT_EQ(written(prompt, 0), (std::vector<double>{103}));
}

TEST(RewriteControl, NeedsAMethodThatRewrites) {
  auto pause = make_method("pause", PauseOptions{}, testing::tiny_context(testing::tiny_config()));
  EXPECT_THROW(with_rewrite_control(std::move(pause), "random"), Error);
  auto gist = make_method("gist", GistOptions{}, testing::tiny_context(testing::tiny_config()));
  EXPECT_THROW(with_rewrite_control(std::move(gist), "random"), Error) << "it also evicts";
}

TEST(RewriteControl, LeavesTheMethodsParametersInPlace) {
  auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(testing::tiny_config()));
  const ParameterStore* store = method->parameters();
  const auto controlled = with_rewrite_control(std::move(method), "swapped");
  EXPECT_EQ(controlled->parameters(), store);
  EXPECT_EQ(controlled->name(), "bt");
}

}  // namespace
}  // namespace bt
