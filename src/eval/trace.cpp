#include "bt/eval/trace.h"

#include <ATen/ATen.h>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/latent/wrapped_method.h"

namespace bt {
namespace {

Json rows_of_kind(const at::Tensor& rows_W, const at::Tensor& kind_W, RowKind kind) {
  Json out = Json::array();
  for (int64_t w = 0; w < rows_W.size(0); ++w) {
    if (kind_W[w].item<int64_t>() == static_cast<int64_t>(kind)) out.push_back(rows_W[w].item<int64_t>());
  }
  return out;
}

Json layer_json(const at::Tensor& rows, const at::Tensor& kind, double size) {
  return Json::object({{"recent", rows_of_kind(rows, kind, RowKind::recent)},
                       {"recalled", rows_of_kind(rows, kind, RowKind::recalled)},
                       {"size", size}});
}

// The choices of all layers wait for the edit that completes their events.
class WriteEvents final : public WatchedEdits::Watch {
 public:
  explicit WriteEvents(std::shared_ptr<std::string> lines) : lines_(std::move(lines)) {}

  void chosen(const ChosenRows& rows) override { chosen_.push_back({rows.rows_EW.cpu(), rows.kind_EW.cpu()}); }

  void edited(const Events& events, const Edit& edit) override {
    const at::Tensor change = (edit.gate * edit.delta_YEWC).to(at::kFloat);
    const at::Tensor size_YE =
        (change.square().sum({2, 3}) / events.u_YEWC.to(at::kFloat).square().sum({2, 3})).sqrt().cpu();
    const at::Tensor request_E = events.source_E.cpu(), boundary_E = events.ordinal_E.cpu();
    for (int64_t e = 0; e < request_E.size(0); ++e) {
      Json layers = Json::array();
      int64_t layer = 0;
      for (const ChosenRows& run : chosen_) {
        for (int64_t row = e; row < run.rows_EW.size(0); row += request_E.size(0))
          layers.push_back(layer_json(run.rows_EW[row], run.kind_EW[row], size_YE[layer++][e].item<double>()));
      }
      *lines_ += Json::object({{"request", request_E[e].item<int64_t>()},
                               {"boundary", boundary_E[e].item<int64_t>()},
                               {"layers", std::move(layers)}})
                     .dump() +
                 "\n";
    }
    chosen_.clear();
  }

 private:
  std::shared_ptr<std::string> lines_;
  std::vector<ChosenRows> chosen_;  // of the layers, in order; each choice may hold several
};

}  // namespace

Trace::Trace(InferenceModel& model) : lines_(std::make_shared<std::string>()) {
  if (model.method() == nullptr || model.method()->effects().edits() == nullptr) {
    fail_usage({.what = "there is no rewrite to trace",
                .where = "--trace",
                .expected = "--latent with a method that rewrites or appends rows",
                .found = model.method() == nullptr ? "no method" : std::string(model.method()->name())});
  }
  model.latent.method =
      std::make_unique<WatchedEdits>(std::move(model.latent.method), std::make_shared<WriteEvents>(lines_));
}

const std::string& Trace::lines() const { return *lines_; }

void Trace::write(const std::string& folder) const {
  make_folders(folder);
  write_file_atomically(folder + "/trace.jsonl", *lines_);
}

}  // namespace bt
