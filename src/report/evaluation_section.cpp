// Accuracies, costs and paired comparisons of evaluations.
#include <cmath>
#include <map>
#include <set>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/text/sample_comparison.h"
#include "figures.h"
#include "interval_plot.h"
#include "sections.h"
#include "table.h"

namespace bt::report {
namespace {

double accuracy(const TaskScore& score) {
  return static_cast<double>(score.right) / static_cast<double>(score.answers);
}

Interval in_percent(const Interval& shares) { return {100 * shares.low, 100 * shares.high}; }

std::string task_filter(const std::string& task, const std::string& filter) { return task + ", " + filter; }

Markup accuracy_plots(const std::vector<EvaluationRun>& runs) {
  std::vector<std::string> order;
  std::map<std::string, IntervalPlot> plots;
  for (size_t i = 0; i < runs.size(); ++i) {
    for (const TaskScore& score : runs[i].scores) {
      const std::string caption = task_filter(score.task, score.filter);
      const auto [plot, is_new] =
          plots.try_emplace(caption, IntervalPlot{caption, "right answers, %, with 95 % intervals", {}});
      if (is_new) order.push_back(caption);
      const Interval around = wilson_interval(score.right, score.answers);
      plot->second.rows.push_back({.label = runs[i].name,
                                   .note = percent_with(accuracy(score), around),
                                   .series = i,
                                   .value = 100 * accuracy(score),
                                   .interval = in_percent(around),
                                   .dots = {}});
    }
  }
  Markup out;
  for (const std::string& caption : order) out += interval_plot(plots[caption]);
  return element("div", {{"class", "charts"}}, out);
}

Markup accuracy_table(const std::vector<EvaluationRun>& runs) {
  std::vector<std::vector<std::string>> rows;
  for (const EvaluationRun& run : runs) {
    for (const TaskScore& score : run.scores) {
      rows.push_back({run.name, score.task, score.filter, grouped(score.right), grouped(score.answers),
                      percent_with(accuracy(score), wilson_interval(score.right, score.answers)),
                      grouped(score.undecided)});
    }
  }
  return table(
      "Right answers, with Wilson intervals (95 %). They speak about these problems, not about seeds.",
      {{"run"}, {"task"}, {"filter"}, {"right", true}, {"answers", true}, {"% [95 %]", true}, {"undecided", true}},
      rows);
}

std::string known(double value, const std::string& printed) { return std::isnan(value) ? "" : printed; }

Markup cost_table(const std::vector<EvaluationRun>& runs) {
  std::vector<std::vector<std::string>> rows;
  for (const EvaluationRun& run : runs) {
    for (const TaskCost& cost : run.costs) {
      rows.push_back({run.name, cost.task, grouped(cost.answers), grouped(cost.truncated),
                      known(cost.calls_per_answer, significant(cost.calls_per_answer)),
                      known(cost.share_without_call, percent(cost.share_without_call)),
                      known(cost.tokens_per_s, significant(cost.tokens_per_s))});
    }
  }
  return table("Answers cut at the limit of new tokens, calls of the method, speed of generation.",
               {{"run"},
                {"task"},
                {"answers", true},
                {"truncated", true},
                {"calls per answer", true},
                {"% without a call after the prompt", true},
                {"tokens/s", true}},
               rows);
}

// A comparison of run `other` with the first.
struct Paired {
  size_t other;
  SampleComparison comparison;
  double holm_p = 1;  // corrected for all comparisons of the page
};

struct Pairing {
  std::vector<Paired> pairs;
  std::vector<std::string> refused;  // why a task was not paired
};

std::set<std::string> tasks_of(const EvaluationRun& run) {
  std::set<std::string> tasks;
  for (const TaskScore& score : run.scores) tasks.insert(score.task);
  return tasks;
}

void pair_task(const std::vector<EvaluationRun>& runs, size_t other, const std::string& task, Pairing& pairing) {
  try {
    for (SampleComparison& comparison :
         compare_samples(runs[0].folder, runs[other].folder, {.task = task, .resamples = 1})) {
      pairing.pairs.push_back({other, std::move(comparison)});
    }
  } catch (const Error& error) {
    if (error.code() != ExitCode::bad_file) throw;
    pairing.refused.push_back(str(runs[other].name, ", ", task, ": not paired, as ", error.what()));
  }
}

Pairing pair_all(const std::vector<EvaluationRun>& runs) {
  Pairing pairing;
  const std::set<std::string> first = tasks_of(runs[0]);
  for (size_t other = 1; other < runs.size(); ++other) {
    for (const std::string& task : tasks_of(runs[other])) {
      if (first.contains(task)) pair_task(runs, other, task, pairing);
    }
  }
  std::vector<double> p_values;
  for (const Paired& pair : pairing.pairs) p_values.push_back(pair.comparison.mcnemar.p_value);
  const std::vector<double> adjusted = holm_adjust(p_values);
  for (size_t i = 0; i < adjusted.size(); ++i) pairing.pairs[i].holm_p = adjusted[i];
  return pairing;
}

Markup pair_plot(const std::vector<EvaluationRun>& runs, const Pairing& pairing) {
  IntervalPlot plot{"Difference to " + runs[0].name, "points, with 95 % intervals", {}, true};
  for (const auto& [other, comparison, holm_p] : pairing.pairs) {
    const PairedDifference& d = comparison.difference;
    plot.rows.push_back({.label = str(runs[other].name, ": ", task_filter(comparison.task, comparison.filter)),
                         .note = str(points(d.difference), " ", points(d.interval)),
                         .series = other,
                         .value = 100 * d.difference,
                         .interval = in_percent(d.interval),
                         .dots = {}});
  }
  return interval_plot(plot);
}

std::string detectable(const std::optional<double>& effect) {
  return effect ? significant(100 * *effect, 3) : "not estimable";
}

Markup pair_table(const std::vector<EvaluationRun>& runs, const Pairing& pairing) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [other, comparison, holm_p] : pairing.pairs) {
    const PairedDifference& d = comparison.difference;
    rows.push_back({runs[other].name, comparison.task, comparison.filter, grouped(d.items),
                    str(points(d.difference), " ", points(d.interval)), finding(d.interval),
                    grouped(comparison.mcnemar.only_a), grouped(comparison.mcnemar.only_b),
                    p_text(comparison.mcnemar.p_value), p_text(holm_p),
                    detectable(comparison.minimum_detectable_effect)});
  }
  return table(
      str("Difference to ", runs[0].name,
          " on the same problems, in points; McNemar's exact test, Holm's correction for all rows. Detectable: "
          "the smallest difference shown with 80 % power at 5 %; not estimable where differences have no spread."),
      {{"run"},
       {"task"},
       {"filter"},
       {"problems", true},
       {"points [95 %]", true},
       {"finding"},
       {"only " + runs[0].name, true},
       {"only this run", true},
       {"p", true},
       {"Holm p", true},
       {"detectable", true}},
      rows);
}

Markup comparisons(const std::vector<EvaluationRun>& runs) {
  if (runs.size() < 2) return {};
  const Pairing pairing = pair_all(runs);
  Markup out = element("h3", text("Paired with " + runs[0].name));
  out += pair_plot(runs, pairing);
  if (!pairing.pairs.empty()) out += pair_table(runs, pairing);
  for (const std::string& why : pairing.refused) out += element("p", {{"class", "soft"}}, text(why));
  if (pairing.pairs.empty() && pairing.refused.empty()) out += element("p", text("No task in common."));
  return out;
}

}  // namespace

Markup evaluation_section(const std::vector<EvaluationRun>& runs) {
  if (runs.empty()) return {};
  Markup out = element("h2", text("Evaluation"));
  out += accuracy_plots(runs);
  out += accuracy_table(runs);
  out += cost_table(runs);
  out += comparisons(runs);
  return element("section", out);
}

}  // namespace bt::report
