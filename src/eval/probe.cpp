#include "bt/eval/probe.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/latent/wrapped_method.h"
#include "call_entries.h"
#include "linear_probe.h"

namespace bt {
namespace {

void check_method(const InferenceModel& model) {
  if (model.method() != nullptr && model.method()->effects().edits() != nullptr) return;
  fail_usage({.what = "there are no changed entries to probe",
              .where = "--latent",
              .expected = "a method that rewrites or appends rows",
              .found = model.method() == nullptr ? "no method" : std::string(model.method()->name())});
}

std::vector<int64_t> calls_of_texts(const CallsOfLayer& entries, size_t texts) {
  std::vector<int64_t> calls(texts);
  for (const auto& [place, one] : entries) {
    int64_t& count = calls[static_cast<size_t>(place.first)];
    count = std::max(count, place.second + 1);
  }
  return calls;
}

void check_labels(const std::vector<ProbeText>& texts, const std::vector<int64_t>& calls) {
  for (size_t t = 0; t < texts.size(); ++t) {
    for (const auto& [name, labels] : texts[t].labels) {
      const auto count = static_cast<int64_t>(labels.size());
      if (count == 1 || count == calls[t]) continue;
      fail_bad_file({.what = "the labels do not fit the method's calls",
                     .where = str("text ", t + 1, ": labels: ", name),
                     .expected = str(calls[t], " labels, one a call, or one for all; null where there is none"),
                     .found = str(count)});
    }
  }
}

std::set<std::string> label_names(const std::vector<ProbeText>& texts) {
  std::set<std::string> names;
  for (const ProbeText& text : texts) {
    for (const auto& [name, labels] : text.labels) names.insert(name);
  }
  return names;
}

const std::optional<std::string>* label_of(const ProbeText& text, const std::string& name, int64_t call) {
  const auto found = text.labels.find(name);
  if (found == text.labels.end()) return nullptr;
  return &found->second[found->second.size() == 1 ? 0 : static_cast<size_t>(call)];
}

// Entries of one layer and row that have a label.
struct Labelled {
  std::vector<at::Tensor> before, after;
  std::vector<std::string> labels;
  std::vector<int64_t> folds;
};

Labelled labelled(const CallsOfLayer& entries, const std::vector<ProbeText>& texts, const std::string& name,
                  int64_t f) {
  Labelled out;
  for (const auto& [place, one] : entries) {
    const auto [text, call] = place;
    const auto* label = label_of(texts[static_cast<size_t>(text)], name, call);
    if (label == nullptr || !label->has_value() || !one.is_present_F[static_cast<size_t>(f)]) continue;
    out.before.push_back(one.before_FC[f]);
    out.after.push_back(one.after_FC[f]);
    out.labels.push_back(**label);
    out.folds.push_back(text % 2);
  }
  return out;
}

std::optional<Probe> fit(const Labelled& data, double ridge) {
  const std::set<std::string> names(data.labels.begin(), data.labels.end());
  if (names.size() < 2 || std::set<int64_t>(data.folds.begin(), data.folds.end()).size() < 2) return {};
  std::vector<int64_t> classes;
  for (const std::string& label : data.labels) classes.push_back(std::distance(names.begin(), names.find(label)));
  Probe out{.calls = static_cast<int64_t>(classes.size()), .classes = static_cast<int64_t>(names.size())};
  const at::Tensor class_N = at::tensor(classes), fold_N = at::tensor(data.folds);
  const auto accuracy = [&](const std::vector<at::Tensor>& rows) {
    return linear_probe_accuracy(at::stack(rows).to(at::kDouble), class_N, fold_N, out.classes, ridge);
  };
  out.most_common = class_N.bincount().max().item<double>() / static_cast<double>(out.calls);
  out.before = accuracy(data.before);
  out.after = accuracy(data.after);
  return out;
}

std::string row_name(int64_t f, int64_t rows) { return f == rows ? "recalled" : str(-(f + 1)); }

}  // namespace

std::vector<Probe> probe(InferenceModel& model, const std::vector<ProbeText>& texts, const ProbeOptions& options) {
  check_method(model);
  const auto kept = std::make_shared<KeptEntries>(options.rows);
  model.latent.method = std::make_unique<WatchedEdits>(std::move(model.latent.method), kept);
  std::vector<ScoreRequest> requests;
  for (const ProbeText& text : texts) requests.push_back(text.request);
  score(model, requests, options.batch_size);
  std::vector<Probe> probes;
  for (size_t layer = 0; layer < kept->by_layer().size(); ++layer) {
    const CallsOfLayer& entries = kept->by_layer()[layer];
    if (layer == 0) check_labels(texts, calls_of_texts(entries, texts.size()));
    for (const std::string& name : label_names(texts)) {
      for (int64_t f = 0; f <= options.rows; ++f) {
        std::optional<Probe> one = fit(labelled(entries, texts, name, f), options.ridge);
        if (!one) continue;
        one->layer = static_cast<int64_t>(layer);
        one->row = row_name(f, options.rows);
        one->label = name;
        probes.push_back(std::move(*one));
      }
    }
  }
  return probes;
}

}  // namespace bt
