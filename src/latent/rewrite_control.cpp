#include "bt/latent/rewrite_control.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>

#include "bt/core/error.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"
#include "bt/latent/wrapped_method.h"

namespace bt {
namespace {

// What is written is replaced, all else passed on.
class Controlled : public WrappedMethod, public Rewrite {
 public:
  explicit Controlled(std::unique_ptr<Method> method)
      : WrappedMethod(std::move(method)), rewrite_(WrappedMethod::effects().rewrite) {}

  Effects effects() const override { return {.rewrite = this}; }
  int64_t recent_capacity() const override { return rewrite_->recent_capacity(); }
  ChosenRows choose(const EventRows& events) const override { return rewrite_->choose(events); }
  Edit edit(const Events& events, at::TensorList parameters) const override {
    Edit edit = rewrite_->edit(events, parameters);
    edit.delta_YEWC = replaced(events, edit.delta_YEWC);
    return edit;
  }

 protected:
  virtual at::Tensor replaced(const Events& events, const at::Tensor& delta_YEWC) const = 0;

 private:
  const Rewrite* rewrite_;
};

// Host copies of what tells one row of one event from another.
struct EventKeys {
  at::Tensor position_YEW, kind_YEW, source_E, ordinal_E;
  explicit EventKeys(const Events& events)
      : position_YEW(events.position_YEW.cpu()),
        kind_YEW(events.kind_YEW.cpu()),
        source_E(events.source_E.cpu()),
        ordinal_E(events.ordinal_E.cpu()) {}
  int64_t source(int64_t e) const { return source_E[e].item<int64_t>(); }
  int64_t ordinal(int64_t e) const { return ordinal_E[e].item<int64_t>(); }
};

class RandomDirection final : public Controlled {
 public:
  using Controlled::Controlled;

 protected:
  at::Tensor replaced(const Events& events, const at::Tensor& delta_YEWC) const override {
    const at::Tensor noise = random_rows(events, delta_YEWC.sizes()).to(delta_YEWC.options());
    const auto halves = [](const at::Tensor& x) { return x.unflatten(-1, {2, -1}); };
    const auto length = [&](const at::Tensor& x) { return halves(x).norm(2, {-1}, /*keepdim=*/true); };
    return (halves(noise) * (length(delta_YEWC) / length(noise))).flatten(-2);
  }

 private:
  static at::Tensor random_rows(const Events& events, at::IntArrayRef shape) {
    const EventKeys keys(events);
    const auto position = keys.position_YEW.accessor<int64_t, 3>();
    at::Tensor out = at::empty(shape, at::kDouble);
    double* value = out.mutable_data_ptr<double>();
    for (int64_t y = 0; y < shape[0]; ++y) {
      for (int64_t e = 0; e < shape[1]; ++e) {
        const auto event = static_cast<uint64_t>((keys.ordinal(e) << 12) + events.layer_begin + y);
        for (int64_t w = 0; w < shape[2]; ++w) {
          CounterRng rng(static_cast<uint64_t>(keys.source(e)), stream_id("random_rewrite"),
                         (event << 32) + static_cast<uint64_t>(position[y][e][w]));
          for (int64_t c = 0; c < shape[3]; ++c) *value++ = rng.normal();
        }
      }
    }
    return out;
  }
};

// The changes of one event in one layer, recent rows from the newest on, recalled ones in their order.
struct Change {
  int64_t source = 0;
  at::Tensor recent_WC, recalled_WC;
};

// The changes made last for two different sequences.
struct LastChanges {
  std::optional<Change> last, other;

  const Change* of_another(int64_t source) const {
    if (last && last->source != source) return &*last;
    return last && other ? &*other : nullptr;
  }
  void add(Change change) {
    if (last && last->source != change.source) other = std::move(last);
    last = std::move(change);
  }
};

class Swapped final : public Controlled {
 public:
  using Controlled::Controlled;

 protected:
  at::Tensor replaced(const Events& events, const at::Tensor& delta_YEWC) const override {
    const EventKeys keys(events);
    at::Tensor out = at::zeros_like(delta_YEWC);
    for (int64_t y = 0; y < delta_YEWC.size(0); ++y) {
      for (int64_t e = 0; e < delta_YEWC.size(1); ++e) {
        LastChanges& changes = changes_[{events.layer_begin + y, keys.ordinal(e) == 0}];
        const Slots slots(keys.kind_YEW[y][e], delta_YEWC.device());
        const at::Tensor own_WC = delta_YEWC[y][e], out_WC = out[y][e];
        if (const Change* change = changes.of_another(keys.source(e))) {
          write(out_WC, slots.recent_w, change->recent_WC);
          write(out_WC, slots.recalled_w, change->recalled_WC);
        }
        changes.add({keys.source(e), own_WC.index_select(0, slots.recent_w).detach(),
                     own_WC.index_select(0, slots.recalled_w).detach()});
      }
    }
    return out;
  }

 private:
  struct Slots {
    at::Tensor recent_w, recalled_w;
    Slots(const at::Tensor& kind_W, at::Device device) {
      const auto of = [&](RowKind kind) { return (kind_W == static_cast<int64_t>(kind)).nonzero().squeeze(1); };
      recent_w = of(RowKind::recent).flip(0).to(device);
      recalled_w = of(RowKind::recalled).to(device);
    }
  };

  static void write(const at::Tensor& out_WC, const at::Tensor& slot_w, const at::Tensor& change_WC) {
    if (slot_w.numel() == 0 || change_WC.size(0) == 0) return;
    const at::Tensor from_w = at::arange(slot_w.size(0), slot_w.options()).remainder(change_WC.size(0));
    out_WC.index_copy_(0, slot_w, change_WC.index_select(0, from_w));
  }

  mutable std::map<std::pair<int64_t, bool>, LastChanges> changes_;  // by layer, and whether at the first boundary
};

}  // namespace

std::unique_ptr<Method> with_rewrite_control(std::unique_ptr<Method> method, const std::string& control) {
  const Effects effects = method->effects();
  if (effects.rewrite == nullptr || effects.evict != nullptr || effects.append != nullptr || effects.steer != nullptr) {
    fail_usage({.what = str("the method `", method->name(), "` does not rewrite rows and nothing else"),
                .where = "--rewrite-control",
                .expected = "a method whose only effect are rewritten rows",
                .found = control});
  }
  if (control == "random") return std::make_unique<RandomDirection>(std::move(method));
  BT_ASSERT(control == "swapped");
  return std::make_unique<Swapped>(std::move(method));
}

}  // namespace bt
