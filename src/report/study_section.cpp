// Arms by seeds, and contrasts with their intervals.
#include <cmath>
#include <map>
#include <set>

#include "bt/core/strings.h"
#include "figures.h"
#include "interval_plot.h"
#include "sections.h"
#include "table.h"

namespace bt::report {
namespace {

std::vector<double> finite(const std::vector<double>& values) {
  std::vector<double> out;
  for (const double value : values) {
    if (std::isfinite(value)) out.push_back(value);
  }
  return out;
}

std::optional<double> mean(const std::vector<double>& values) {
  const std::vector<double> known = finite(values);
  if (known.empty()) return std::nullopt;
  return estimate_mean(known).mean;
}

std::string mean_text(const std::vector<double>& values) {
  const auto known = mean(values);
  return known ? significant(*known) : "";
}

std::string count_text(double count) {
  if (!std::isfinite(count)) return "";
  return std::abs(count) < 1e15 ? grouped(std::llround(count)) : significant(count);
}

template <class Value, class Print>
std::string listed(const std::vector<Value>& values, Print print) {
  std::vector<std::string> parts;
  for (const Value& value : values) parts.push_back(print(value));
  return join(parts, ", ");
}

std::string by_seed(const std::vector<double>& shares) {
  return listed(shares, [](double share) { return std::isfinite(share) ? percent(share) : std::string("missing"); });
}

// As contrasts name it.
std::string arm_of(const StudyRow& row) { return row.weights.empty() ? row.arm : str(row.arm, "/", row.weights); }

std::vector<double> scaled(std::vector<double> values, double by) {
  for (double& value : values) value *= by;
  return values;
}

// Plots in the order of their first rows.
class Plots {
 public:
  IntervalPlot& of(const std::string& caption, const std::string& x_label, bool shows_zero = false) {
    const auto [found, is_new] = plots_.try_emplace(caption, IntervalPlot{caption, x_label, {}, shows_zero});
    if (is_new) order_.push_back(caption);
    return found->second;
  }
  Markup drawn() const {
    Markup out;
    for (const std::string& caption : order_) out += interval_plot(plots_.at(caption));
    return element("div", {{"class", "charts"}}, out);
  }

 private:
  std::vector<std::string> order_;
  std::map<std::string, IntervalPlot> plots_;
};

// An arm, or "arm/weights", keeps its colour from plot to plot.
size_t colour_of(const Study& study, const std::string& arm) {
  std::set<std::string> before;
  for (const StudyRow& row : study.rows) {
    if (row.arm == arm || arm_of(row) == arm) break;
    before.insert(row.arm);
  }
  return before.size();
}

Markup row_plots(const Study& study) {
  Plots plots;
  std::set<std::string> with_loss;  // the loss of an arm stands in every row of its tasks
  for (const StudyRow& row : study.rows) {
    const auto accuracy = mean(row.accuracy);
    const size_t series = colour_of(study, row.arm);
    plots.of(named({row.task, row.filter, row.split, "accuracy"}), "right answers, %: seeds and their mean")
        .rows.push_back({.label = arm_of(row),
                         .note = accuracy ? percent(*accuracy) : "no result",
                         .series = series,
                         .value = accuracy ? std::optional(100 * *accuracy) : std::nullopt,
                         .interval = {},
                         .dots = scaled(row.accuracy, 100)});
    const auto loss = mean(row.validation_loss);
    if (!loss || !with_loss.insert(arm_of(row)).second) continue;
    plots.of("validation loss", "natural log per token: seeds and their mean")
        .rows.push_back({.label = arm_of(row),
                         .note = significant(*loss),
                         .series = series,
                         .value = loss,
                         .interval = {},
                         .dots = row.validation_loss});
  }
  return plots.drawn();
}

Markup row_table(const Study& study) {
  std::vector<std::vector<std::string>> rows;
  for (const StudyRow& row : study.rows) {
    const auto accuracy = mean(row.accuracy);
    rows.push_back({arm_of(row), named({row.task, row.filter}), row.split, accuracy ? percent(*accuracy) : "",
                    by_seed(row.accuracy), mean_text(row.validation_loss), mean_text(row.train_loss),
                    mean_text(row.steps), mean_text(row.flops), mean_text(row.training_s),
                    count_text(row.trained_parameters), count_text(row.inference_parameters),
                    listed(row.failed, [](int64_t seed) { return str(seed); })});
  }
  return table("Means over the seeds that have a result.",
               {{"arm"},
                {"task, filter"},
                {"split"},
                {"accuracy %", true},
                {"by seed", true},
                {"validation loss", true},
                {"training loss", true},
                {"steps", true},
                {"FLOPs", true},
                {"seconds of training", true},
                {"trained parameters", true},
                {"parameters in use", true},
                {"failed seeds", true}},
               rows);
}

std::string contrast_name(const StudyContrast& contrast) {
  return str(contrast.a, " − ", contrast.b, contrast.is_primary ? " (primary)" : "");
}

std::string difference_text(const StudyContrast& contrast) {
  if (!std::isfinite(contrast.difference)) return "no result";
  return points(contrast.difference) + (contrast.interval ? " " + points(*contrast.interval) : "");
}

std::string p_or_nothing(double p) { return std::isfinite(p) ? p_text(p) : ""; }

Markup contrast_plots(const Study& study) {
  Plots plots;
  for (const StudyContrast& contrast : study.contrasts) {
    std::optional<Interval> around;
    if (contrast.interval) around = {100 * contrast.interval->low, 100 * contrast.interval->high};
    plots.of(named({contrast.outcome, contrast.split, "differences"}), "points, with intervals", true)
        .rows.push_back({.label = contrast_name(contrast),
                         .note = difference_text(contrast),
                         .series = colour_of(study, contrast.a),
                         .value = 100 * contrast.difference,
                         .interval = around,
                         .dots = {}});
  }
  return plots.drawn();
}

Markup contrast_table(const Study& study) {
  std::vector<std::vector<std::string>> rows;
  for (const StudyContrast& contrast : study.contrasts) {
    rows.push_back({contrast_name(contrast), contrast.outcome, contrast.split, difference_text(contrast),
                    contrast.interval ? finding(*contrast.interval) : "no interval", p_or_nothing(contrast.p),
                    p_or_nothing(contrast.p_holm),
                    listed(contrast.per_seed, [](double d) { return std::isfinite(d) ? points(d) : "missing"; })});
  }
  return table(
      "Differences in points. Where 0 lies in the interval, no difference was found. Without Holm's p: not corrected.",
      {{"contrast"},
       {"task, filter"},
       {"split"},
       {"points [interval]", true},
       {"finding"},
       {"p", true},
       {"Holm p", true},
       {"by seed", true}},
      rows);
}

std::string seeds_text(const Study& study) {
  const auto print = [](int64_t seed) { return str(seed); };
  std::string out = study.seeds.empty() ? "No seed has finished" : "Seeds: " + listed(study.seeds, print);
  if (!study.unfinished_seeds.empty()) out += "; not finished: " + listed(study.unfinished_seeds, print);
  return out + ".";
}

Markup protocol(const Study& study) {
  if (study.protocol.empty()) return {};
  constexpr size_t kMost = 65536;
  Markup out = element("summary", text("Protocol"));
  out += element("pre", text(study.protocol, kMost));
  return element("details", out);
}

}  // namespace

Markup study_section(const Study& study) {
  Markup out = element("h2", text("Study " + study.folder));
  out += element("p", text(seeds_text(study), 2000));
  out += protocol(study);
  if (study.rows.empty()) out += element("p", text("No results yet."));
  if (!study.rows.empty()) {
    out += row_plots(study);
    out += row_table(study);
  }
  if (!study.contrasts.empty()) {
    out += element("h3", text("Contrasts"));
    out += contrast_plots(study);
    out += contrast_table(study);
  }
  return element("section", out);
}

}  // namespace bt::report
