// Figures of an evaluated task.
#include <algorithm>
#include <cmath>

#include "bt/eval/harness.h"

namespace bt {
namespace {

template <class Value>
double mean_over(const std::vector<Sample>& samples, Value value) {
  double sum = 0;
  for (const Sample& sample : samples) sum += static_cast<double>(value(sample));
  return samples.empty() ? 0 : sum / static_cast<double>(samples.size());
}

int64_t calls(const Sample& sample) { return static_cast<int64_t>(sample.completion.boundaries.size()); }

}  // namespace

double FilterScore::standard_error() const {
  if (answers < 2) return 0;
  const double p = accuracy();
  return std::sqrt(p * (1 - p) / static_cast<double>(answers - 1));
}

Interval FilterScore::interval() const { return wilson_interval(right, answers); }

std::vector<FilterScore> TaskResult::scores() const {
  std::vector<FilterScore> scores;
  for (const Sample& sample : samples) {
    scores.resize(std::max(scores.size(), sample.grades.size()));
    for (size_t i = 0; i < sample.grades.size(); ++i) {
      scores[i].name = sample.grades[i].filter;
      scores[i].right += sample.grades[i].score;
      scores[i].undecided += sample.grades[i].undecided;
      ++scores[i].answers;
    }
  }
  return scores;
}

int64_t TaskResult::generated_tokens() const {
  int64_t tokens = 0;
  for (const Sample& sample : samples) tokens += static_cast<int64_t>(sample.completion.ids.size());
  return tokens;
}

int64_t TaskResult::truncated_answers() const {
  return std::count_if(samples.begin(), samples.end(),
                       [](const Sample& sample) { return sample.completion.finish == FinishReason::length; });
}

int64_t TaskResult::cut_prompts() const {
  return std::count_if(samples.begin(), samples.end(), [](const Sample& sample) { return sample.prompt_cut; });
}

double TaskResult::tokens_per_s() const { return seconds > 0 ? static_cast<double>(generated_tokens()) / seconds : 0; }

double TaskResult::calls_per_answer() const { return mean_over(samples, calls); }

double TaskResult::share_without_call() const {
  return mean_over(samples, [](const Sample& sample) { return calls(sample) == sample.completion.prompt_calls; });
}

}  // namespace bt
