// A method that passes everything on to another, for those that watch or change what it does.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "bt/latent/method.h"

namespace bt {

class WrappedMethod : public Method {
 public:
  explicit WrappedMethod(std::unique_ptr<Method> inner) : inner_(std::move(inner)) {}
  std::string_view name() const override { return inner_->name(); }
  Effects effects() const override { return inner_->effects(); }
  BackboneMode backbone() const override { return inner_->backbone(); }
  ParameterStore* parameters() override { return inner_->parameters(); }
  std::vector<std::pair<std::string, at::Tensor>> buffers() override { return inner_->buffers(); }
  Decoder attach(const Decoder& decoder) const override { return inner_->attach(decoder); }
  Json figures() const override { return inner_->figures(); }

 private:
  std::unique_ptr<Method> inner_;
};

// A method that rewrites or appends rows, with its edits seen on their way: `watch` gets every batch of events and what
// it makes of them, as the engines call it.
class WatchedEdits final : public WrappedMethod {
 public:
  struct Watch {
    virtual ~Watch() = default;
    virtual void chosen(const ChosenRows& /*rows*/) {}
    virtual void edited(const Events& events, const Edit& edit) = 0;
  };

  // Precondition: the method has such an effect. `watch` is kept alive.
  WatchedEdits(std::unique_ptr<Method> inner, std::shared_ptr<Watch> watch);
  Effects effects() const override;

 private:
  class Watched;
  std::unique_ptr<Rewrite> edits_;
};

}  // namespace bt
