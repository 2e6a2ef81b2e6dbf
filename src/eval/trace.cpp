#include "bt/eval/trace.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

Json rows_of_kind(const at::Tensor& rows_W, const at::Tensor& kind_W, RowKind kind) {
  Json out = Json::array();
  for (int64_t w = 0; w < rows_W.size(0); ++w) {
    if (kind_W[w].item<int64_t>() == static_cast<int64_t>(kind)) out.push_back(rows_W[w].item<int64_t>());
  }
  return out;
}

// Passes everything on; the choices of all layers wait for the edit that completes their events.
class TracedRewrite final : public Rewrite {
 public:
  TracedRewrite(const Rewrite& inner, std::shared_ptr<std::string> lines) : inner_(inner), lines_(std::move(lines)) {}
  int64_t recent_capacity() const override { return inner_.recent_capacity(); }
  int64_t row_capacity() const override { return inner_.row_capacity(); }

  ChosenRows choose(const EventRows& events) const override {
    ChosenRows chosen = inner_.choose(events);
    chosen_.push_back({chosen.rows_EW.cpu(), chosen.kind_EW.cpu()});
    return chosen;
  }

  Edit edit(const Events& events, at::TensorList parameters) const override {
    Edit edit = inner_.edit(events, parameters);
    const at::Tensor change = (edit.gate * edit.delta_YEWC).to(at::kFloat);
    const at::Tensor size_YE =
        (change.square().sum({2, 3}) / events.u_YEWC.to(at::kFloat).square().sum({2, 3})).sqrt().cpu();
    const at::Tensor request_E = events.source_E.cpu(), boundary_E = events.ordinal_E.cpu();
    for (int64_t e = 0; e < request_E.size(0); ++e) {
      Json layers = Json::array();
      for (size_t y = 0; y < chosen_.size(); ++y)
        layers.push_back(layer_json(chosen_[y], e, size_YE[static_cast<int64_t>(y)][e].item<double>()));
      *lines_ += Json::object({{"request", request_E[e].item<int64_t>()},
                               {"boundary", boundary_E[e].item<int64_t>()},
                               {"layers", std::move(layers)}})
                     .dump() +
                 "\n";
    }
    chosen_.clear();
    return edit;
  }

 private:
  static Json layer_json(const ChosenRows& chosen, int64_t event, double size) {
    const at::Tensor rows = chosen.rows_EW[event], kind = chosen.kind_EW[event];
    return Json::object({{"recent", rows_of_kind(rows, kind, RowKind::recent)},
                         {"recalled", rows_of_kind(rows, kind, RowKind::recalled)},
                         {"size", size}});
  }

  const Rewrite& inner_;
  std::shared_ptr<std::string> lines_;
  mutable std::vector<ChosenRows> chosen_;  // by layer
};

class TracedMethod final : public Method {
 public:
  TracedMethod(std::unique_ptr<Method> inner, std::shared_ptr<std::string> lines)
      : inner_(std::move(inner)), rewrite_(*inner_->effects().edits(), std::move(lines)) {}
  std::string_view name() const override { return inner_->name(); }
  Effects effects() const override {
    Effects effects = inner_->effects();
    (effects.rewrite != nullptr ? effects.rewrite : effects.append_rows) = &rewrite_;
    return effects;
  }
  BackboneMode backbone() const override { return inner_->backbone(); }
  ParameterStore* parameters() override { return inner_->parameters(); }
  std::vector<std::pair<std::string, at::Tensor>> buffers() override { return inner_->buffers(); }
  Decoder attach(const Decoder& decoder) const override { return inner_->attach(decoder); }

 private:
  std::unique_ptr<Method> inner_;
  TracedRewrite rewrite_;
};

}  // namespace

Trace::Trace(InferenceModel& model) : lines_(std::make_shared<std::string>()) {
  if (model.method() == nullptr || model.method()->effects().edits() == nullptr) {
    fail_usage({.what = "there is no rewrite to trace",
                .where = "--trace",
                .expected = "--latent with a method that rewrites or appends rows",
                .found = model.method() == nullptr ? "no method" : std::string(model.method()->name())});
  }
  model.latent.method = std::make_unique<TracedMethod>(std::move(model.latent.method), lines_);
}

const std::string& Trace::lines() const { return *lines_; }

void Trace::write(const std::string& folder) const {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail_io({.what = "cannot make the folder: " + error.message(), .where = folder});
  write_file_atomically(folder + "/trace.jsonl", *lines_);
}

}  // namespace bt
