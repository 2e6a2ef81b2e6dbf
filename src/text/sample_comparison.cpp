#include "bt/text/sample_comparison.h"

#include <cmath>
#include <iomanip>
#include <sstream>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "sample_scores.h"

namespace bt {
namespace {

struct PairedScores {
  std::vector<double> a, b;
};

PairedScores pair_up(const std::map<int64_t, SampleScore>& a, const std::map<int64_t, SampleScore>& b,
                     const std::string& where) {
  PairedScores out;
  for (const auto& [document, score] : a) {
    const auto other = b.find(document);
    if (other == b.end()) {
      fail_bad_file({.what = "the two sides hold different documents",
                     .where = where,
                     .expected = str("doc_id ", document, " on both"),
                     .found = "it on the first only",
                     .next_step = "evaluate both with the same --limit"});
    }
    if (score.document_hash != other->second.document_hash && !score.document_hash.empty() &&
        !other->second.document_hash.empty()) {
      fail_bad_file({.what = "the two sides hold different documents",
                     .where = str(where, ", doc_id ", document),
                     .expected = score.document_hash.substr(0, 80),
                     .found = other->second.document_hash.substr(0, 80)});
    }
    out.a.push_back(score.score);
    out.b.push_back(other->second.score);
  }
  if (a.size() != b.size()) {
    fail_bad_file({.what = "the two sides hold different documents",
                   .where = where,
                   .expected = str(a.size(), " documents"),
                   .found = str(b.size()),
                   .next_step = "evaluate both with the same --limit"});
  }
  return out;
}

Interval accuracy_interval(const std::vector<double>& scores, double confidence) {
  int64_t right = 0;
  for (double score : scores) right += score > 0.5;
  return wilson_interval(right, static_cast<int64_t>(scores.size()), confidence);
}

SampleComparison compare_one(const TaskFilter& name, const PairedScores& scores, const ComparisonOptions& options) {
  SampleComparison out{name.first,
                       name.second,
                       paired_difference(scores.a, scores.b, options.confidence),
                       accuracy_interval(scores.a, options.confidence),
                       accuracy_interval(scores.b, options.confidence),
                       paired_bootstrap(scores.a, scores.b, options.resamples, options.seed, options.confidence),
                       exact_mcnemar(scores.a, scores.b)};
  out.minimum_detectable_effect = minimum_detectable_effect(out.difference.standard_error);
  return out;
}

void correct_for_all(std::vector<SampleComparison>& comparisons) {
  std::vector<double> p_values;
  for (const SampleComparison& c : comparisons) p_values.push_back(c.mcnemar.p_value);
  const std::vector<double> adjusted = holm_adjust(p_values);
  for (size_t i = 0; i < comparisons.size(); ++i) comparisons[i].holm_p_value = adjusted[i];
}

Json interval_json(const Interval& interval) { return Json::array({interval.low, interval.high}); }

std::string points(double value, bool with_sign = false) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(2) << (with_sign ? std::showpos : std::noshowpos) << 100 * value;
  return out.str();
}

std::string points(const Interval& interval, bool with_sign = false) {
  return str("[", points(interval.low, with_sign), ", ", points(interval.high, with_sign), "]");
}

std::string detectable_text(const std::optional<double>& effect) {
  return effect ? points(*effect) + " points with 80 % power at 5 %" : "not estimable: the differences have no spread";
}

std::string p_text(double p) {
  std::ostringstream out;
  out << std::setprecision(2) << p;
  return out.str();
}

}  // namespace

std::vector<SampleComparison> compare_samples(const std::string& a, const std::string& b,
                                              const ComparisonOptions& options) {
  const SampleScores scores_a = read_sample_scores(a, options.task), scores_b = read_sample_scores(b, options.task);
  std::vector<SampleComparison> out;
  for (const auto& [name, documents] : scores_a) {
    const auto other = scores_b.find(name);
    if (other == scores_b.end() || (!options.task.empty() && options.task != name.first)) continue;
    out.push_back(
        compare_one(name, pair_up(documents, other->second, str(name.first, ", filter ", name.second)), options));
  }
  if (out.empty()) {
    fail_bad_file({.what = "nothing to compare",
                   .where = str(a, " and ", b),
                   .expected = options.task.empty() ? "a task and filter on both sides"
                                                    : str("samples of ", options.task, " on both sides")});
  }
  correct_for_all(out);
  return out;
}

std::string comparison_text(const std::vector<SampleComparison>& comparisons, const ComparisonOptions& options) {
  std::ostringstream out;
  for (const SampleComparison& c : comparisons) {
    const PairedDifference& d = c.difference;
    out << c.task << ", " << c.filter << ", " << d.items << " items\n"
        << "  A                 " << points(d.mean_a) << " %  " << points(c.accuracy_a) << "\n"
        << "  B                 " << points(d.mean_b) << " %  " << points(c.accuracy_b) << "\n"
        << "  B - A             " << points(d.difference, true) << " points  " << points(d.interval, true)
        << ", bootstrap " << points(c.bootstrap, true) << "\n"
        << "  McNemar           only A " << c.mcnemar.only_a << ", only B " << c.mcnemar.only_b
        << ", p = " << p_text(c.mcnemar.p_value)
        << (comparisons.size() > 1 ? ", Holm p = " + p_text(c.holm_p_value) : "") << "\n"
        << "  detectable        " << detectable_text(c.minimum_detectable_effect) << "\n";
  }
  out << "Intervals at " << points(options.confidence) << " %: Wilson, paired normal, " << options.resamples
      << " paired resamples (seed " << options.seed << ").\n";
  return out.str();
}

Json comparison_json(const std::vector<SampleComparison>& comparisons, const ComparisonOptions& options) {
  Json list = Json::array();
  for (const SampleComparison& c : comparisons) {
    const PairedDifference& d = c.difference;
    list.push_back(Json::object(
        {{"task", c.task},
         {"filter", c.filter},
         {"items", d.items},
         {"mean_a", d.mean_a},
         {"mean_b", d.mean_b},
         {"wilson_a", interval_json(c.accuracy_a)},
         {"wilson_b", interval_json(c.accuracy_b)},
         {"difference", d.difference},
         {"standard_error", d.standard_error},
         {"interval", interval_json(d.interval)},
         {"bootstrap_interval", interval_json(c.bootstrap)},
         {"only_a", c.mcnemar.only_a},
         {"only_b", c.mcnemar.only_b},
         {"mcnemar_p", c.mcnemar.p_value},
         {"holm_p", c.holm_p_value},
         {"minimum_detectable_effect", c.minimum_detectable_effect ? Json(*c.minimum_detectable_effect) : Json()}}));
  }
  return Json::object({{"confidence", options.confidence},
                       {"resamples", options.resamples},
                       {"seed", options.seed},
                       {"comparisons", std::move(list)}});
}

}  // namespace bt
