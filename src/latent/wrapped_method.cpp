#include "bt/latent/wrapped_method.h"

#include "bt/core/error.h"

namespace bt {

class WatchedEdits::Watched final : public Rewrite {
 public:
  Watched(const Rewrite& inner, std::shared_ptr<Watch> watch) : inner_(inner), watch_(std::move(watch)) {}
  int64_t recent_capacity() const override { return inner_.recent_capacity(); }
  int64_t row_capacity() const override { return inner_.row_capacity(); }
  ChosenRows choose(const EventRows& events) const override {
    ChosenRows rows = inner_.choose(events);
    watch_->chosen(rows);
    return rows;
  }
  Edit edit(const Events& events, at::TensorList parameters) const override {
    Edit edit = inner_.edit(events, parameters);
    watch_->edited(events, edit);
    return edit;
  }

 private:
  const Rewrite& inner_;
  std::shared_ptr<Watch> watch_;
};

WatchedEdits::WatchedEdits(std::unique_ptr<Method> inner, std::shared_ptr<Watch> watch)
    : WrappedMethod(std::move(inner)) {
  const Rewrite* edits = WrappedMethod::effects().edits();
  BT_ASSERT(edits != nullptr);
  edits_ = std::make_unique<Watched>(*edits, std::move(watch));
}

Effects WatchedEdits::effects() const {
  Effects effects = WrappedMethod::effects();
  (effects.rewrite != nullptr ? effects.rewrite : effects.append_rows) = edits_.get();
  return effects;
}

}  // namespace bt
