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

// A line an event, written when the last layer's edit completes it.
class WriteEvents final : public WatchedEdits::Watch {
 public:
  WriteEvents(int64_t layers, std::shared_ptr<std::string> lines) : layers_(layers), lines_(std::move(lines)) {}

  void chosen(const ChosenRows& rows) override {
    chosen_ = {rows.rows_EW.cpu(), rows.kind_EW.cpu()};
    next_ = 0;
  }

  void edited(const Events& events, const Edit& edit) override {
    const at::Tensor change = (edit.gate * edit.delta_YEWC).to(at::kFloat);
    const at::Tensor size_YE =
        (change.square().sum({2, 3}) / events.u_YEWC.to(at::kFloat).square().sum({2, 3})).sqrt().cpu();
    const int64_t count = size_YE.size(1);
    if (events.layer_begin == 0) by_layer_E_.assign(static_cast<size_t>(count), Json::array());
    for (int64_t y = 0; y < size_YE.size(0); ++y) {
      for (int64_t e = 0; e < count; ++e, ++next_)
        by_layer_E_[static_cast<size_t>(e)].push_back(
            layer_json(chosen_.rows_EW[next_], chosen_.kind_EW[next_], size_YE[y][e].item<double>()));
    }
    if (events.layer_end == layers_) write_lines(events.source_E.cpu(), events.ordinal_E.cpu());
  }

 private:
  void write_lines(const at::Tensor& request_E, const at::Tensor& boundary_E) {
    for (size_t e = 0; e < by_layer_E_.size(); ++e) {
      const auto at = static_cast<int64_t>(e);
      *lines_ += Json::object({{"request", request_E[at].item<int64_t>()},
                               {"boundary", boundary_E[at].item<int64_t>()},
                               {"layers", std::move(by_layer_E_[e])}})
                     .dump() +
                 "\n";
    }
  }

  int64_t layers_;  // of the decoder
  std::shared_ptr<std::string> lines_;
  ChosenRows chosen_;             // of the layers whose edits come next
  int64_t next_ = 0;              // row of it whose edit comes next
  std::vector<Json> by_layer_E_;  // of the events under way
};

}  // namespace

Trace::Trace(InferenceModel& model) : lines_(std::make_shared<std::string>()) {
  if (model.method() == nullptr || model.method()->effects().edits() == nullptr) {
    fail_usage({.what = "there is no rewrite to trace",
                .where = "--trace",
                .expected = "--latent with a method that rewrites or appends rows",
                .found = model.method() == nullptr ? "no method" : std::string(model.method()->name())});
  }
  model.latent.method = std::make_unique<WatchedEdits>(
      std::move(model.latent.method), std::make_shared<WriteEvents>(model.decoder().config.layers, lines_));
}

const std::string& Trace::lines() const { return *lines_; }

void Trace::write(const std::string& folder) const {
  make_folders(folder);
  write_file_atomically(folder + "/trace.jsonl", *lines_);
}

}  // namespace bt
