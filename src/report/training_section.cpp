// Curves, heat maps and a table of training runs.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "bt/core/strings.h"
#include "figures.h"
#include "heat_map.h"
#include "line_chart.h"
#include "sections.h"
#include "svg.h"
#include "table.h"

namespace bt::report {
namespace {

struct CurveTitle {
  const char* key;
  const char* caption;
};

constexpr CurveTitle kCurves[] = {
    {"loss", "Training loss, natural log per token"},
    {"validation_loss", "Validation loss, natural log per token"},
    {"validation_accuracy", "Validation accuracy, share of tokens"},
    {"lr", "Learning rate"},
    {"grad_norm", "Gradient norm before clipping"},
    {"tokens_per_s", "Tokens per second"},
    {"calls_per_text", "Calls per text"},
};
constexpr CurveTitle kLayers[] = {
    {"rewrite_size", "Size of rewrites, RMS of the change over RMS of the entries"},
    {"gate", "Gate"},
};
// Sums over the run and sizes: their last values are in the table.
constexpr const char* kNoCurves[] = {"tokens",           "elapsed_s", "training_s", "flops", "validation_tokens",
                                     "max_memory_bytes", "skipped"};

// Keys that some run has: those of `first` in their order, then the rest but for `without`, alphabetically.
template <size_t N>
std::vector<CurveTitle> with_others(const CurveTitle (&first)[N], const std::set<std::string>& keys,
                                    const std::set<std::string>& without) {
  std::vector<CurveTitle> out;
  std::set<std::string> others = keys;
  for (const CurveTitle& title : first) {
    if (others.erase(title.key) > 0) out.push_back(title);
  }
  for (const std::string& key : without) others.erase(key);
  for (const std::string& key : keys) {
    if (others.contains(key)) out.push_back({key.c_str(), key.c_str()});
  }
  return out;
}

Markup chart_of(const std::vector<TrainingRun>& runs, const CurveTitle& title) {
  LineChart chart{.caption = title.caption,
                  .x_label = "training step",
                  .lines = {},
                  .may_be_logarithmic = std::string_view(title.key) == "grad_norm"};
  for (size_t i = 0; i < runs.size(); ++i) {
    const Curve* curve = runs[i].find(title.key);
    if (curve != nullptr) chart.lines.push_back({runs[i].name, i, curve->steps, curve->values});
  }
  return line_chart(chart);
}

Markup charts(const std::vector<TrainingRun>& runs) {
  std::set<std::string> keys;
  for (const TrainingRun& run : runs) {
    for (const auto& [key, curve] : run.curves) keys.insert(key);
  }
  Markup out;
  for (const CurveTitle& title : with_others(kCurves, keys, {std::begin(kNoCurves), std::end(kNoCurves)})) {
    out += chart_of(runs, title);
  }
  return element("div", {{"class", "charts"}}, out);
}

Interval range_of(const std::vector<TrainingRun>& runs, const std::string& key) {
  Interval range{0, 0};  // 0 is always part of the scale
  for (const TrainingRun& run : runs) {
    const auto found = run.layers.find(key);
    if (found == run.layers.end()) continue;
    for (const std::vector<double>& column : found->second.values) {
      for (const double value : column) {
        if (!std::isfinite(value)) continue;
        range = {std::min(range.low, value), std::max(range.high, value)};
      }
    }
  }
  return range;
}

// The figures of the last logged step as text, for those who cannot see the map.
Markup last_figures(const std::vector<TrainingRun>& runs, const CurveTitle& title) {
  std::vector<Column> columns = {{"layer"}};
  std::vector<const std::vector<double>*> last;
  size_t layers = 0;
  for (const TrainingRun& run : runs) {
    const auto found = run.layers.find(title.key);
    if (found == run.layers.end()) continue;
    columns.push_back({run.name, true});
    last.push_back(&found->second.values.back());
    layers = std::max(layers, last.back()->size());
  }
  std::vector<std::vector<std::string>> rows;
  for (size_t layer = 0; layer < layers; ++layer) {
    std::vector<std::string>& row = rows.emplace_back(std::vector{str(layer)});
    for (const auto* values : last) row.push_back(layer < values->size() ? significant((*values)[layer]) : "");
  }
  Markup content = element("summary", text("By layer, at the last logged step"));
  content += table(title.caption, columns, rows);
  return element("details", content);
}

Markup maps(const std::vector<TrainingRun>& runs) {
  std::set<std::string> keys;
  for (const TrainingRun& run : runs) {
    for (const auto& [key, figures] : run.layers) keys.insert(key);
  }
  Markup out;
  for (const CurveTitle& title : with_others(kLayers, keys, {})) {
    const Interval range = range_of(runs, title.key);
    Markup maps_of_key;
    for (const TrainingRun& run : runs) {
      const auto found = run.layers.find(title.key);
      if (found == run.layers.end()) continue;
      maps_of_key += heat_map({.caption = run.name,
                               .steps = found->second.steps,
                               .values = found->second.values,
                               .low = range.low,
                               .high = range.high});
    }
    out += element("h3", text(title.caption));
    out += element("div", {{"class", "charts"}}, maps_of_key);
    out += last_figures(runs, title);
  }
  return out;
}

std::string last_of(const TrainingRun& run, const char* key, bool is_count = false) {
  const Curve* curve = run.find(key);
  if (curve == nullptr) return "";
  const double value = curve->values.back();
  return is_count && std::abs(value) < 1e15 ? grouped(std::llround(value)) : significant(value);
}

std::string last_step(const TrainingRun& run) {
  double last = -1;
  for (const auto& [key, curve] : run.curves) last = std::max(last, curve.steps.back());
  return last < 0 || last > 1e15 ? "" : grouped(std::llround(last));
}

// The lowest validation loss and its step.
std::pair<std::string, std::string> best_validation(const TrainingRun& run) {
  const Curve* curve = run.find("validation_loss");
  size_t best = std::numeric_limits<size_t>::max();
  for (size_t i = 0; curve != nullptr && i < curve->values.size(); ++i) {
    const bool is_first = best >= curve->values.size();
    if (std::isfinite(curve->values[i]) && (is_first || curve->values[i] < curve->values[best])) best = i;
  }
  if (curve == nullptr || best >= curve->values.size()) return {};
  return {significant(curve->values[best]), significant(curve->steps[best], 15)};
}

std::string memory_text(const TrainingRun& run) {
  const Curve* curve = run.find("max_memory_bytes");
  return curve == nullptr ? "" : significant(curve->values.back() / (1 << 20), 3);
}

Markup results(const std::vector<TrainingRun>& runs) {
  const std::vector<Column> columns = {{"run"},
                                       {"method"},
                                       {"steps", true},
                                       {"tokens", true},
                                       {"FLOPs", true},
                                       {"seconds of training", true},
                                       {"trained parameters", true},
                                       {"training loss", true},
                                       {"validation loss", true},
                                       {"best validation loss", true},
                                       {"at step", true},
                                       {"peak memory, MiB", true}};
  std::vector<std::vector<std::string>> rows;
  for (const TrainingRun& run : runs) {
    const auto [best, at] = best_validation(run);
    rows.push_back({run.name, run.method, last_step(run), last_of(run, "tokens", true), last_of(run, "flops"),
                    last_of(run, "training_s"), run.trained_parameters < 0 ? "" : grouped(run.trained_parameters),
                    last_of(run, "loss"), last_of(run, "validation_loss"), best, at, memory_text(run)});
  }
  return table("Last figures of every run. FLOPs are those of training, by formula; empty: not written by the run.",
               columns, rows);
}

Markup notes(const std::vector<TrainingRun>& runs) {
  Markup out;
  const auto note = [&](const TrainingRun& run, const std::string& about) {
    out += element("p", {{"class", "soft"}}, text(run.name + ": " + about));
  };
  for (const TrainingRun& run : runs) {
    if (run.curves.empty()) note(run, "no figures yet.");
    if (run.ends_cut_short) note(run, "the last line of metrics.jsonl is unfinished and left out.");
    if (const Curve* skipped = run.find("skipped")) {
      note(run, str(skipped->values.size(), " of the logged steps were skipped, as loss or gradient was not finite."));
    }
  }
  return out;
}

std::vector<std::string> names_of(const std::vector<TrainingRun>& runs) {
  std::vector<std::string> names;
  for (const TrainingRun& run : runs) names.push_back(run.name);
  return names;
}

}  // namespace

Markup training_section(const std::vector<TrainingRun>& runs) {
  if (runs.empty()) return {};
  Markup out = element("h2", text("Training"));
  out += results(runs);
  out += notes(runs);
  out += legend(names_of(runs));
  out += charts(runs);
  out += maps(runs);
  return element("section", out);
}

}  // namespace bt::report
