#include <iomanip>
#include <sstream>

#include "bt/core/strings.h"
#include "bt/eval/report.h"

namespace bt {
namespace {

void print_filter(std::ostream& out, const FilterScore& score) {
  const Interval interval = score.interval();
  out << "  " << std::left << std::setw(18) << score.name << std::right << std::setprecision(2) << std::setw(6)
      << 100 * score.accuracy() << " %  [" << 100 * interval.low << ", " << 100 * interval.high << "]  " << score.right
      << " of " << score.answers;
  if (score.undecided > 0) out << ", " << score.undecided << " undecided: they need computer algebra";
  out << "\n";
}

}  // namespace

std::string task_table(const InferenceModel& model, const TaskResult& result) {
  std::ostringstream out;
  out << std::fixed << result.task->name << "  " << result.samples.size() << " of " << result.documents
      << " documents, " << result.task->shots << " shots, grader: " << result.task->grader << "\n";
  for (const FilterScore& score : result.scores()) print_filter(out, score);
  if (model.method() != nullptr) {
    out << "  method calls      " << std::setprecision(2) << result.calls_per_answer()
        << " an answer; none after the prompt in " << 100 * result.share_without_call() << " % of answers\n";
  }
  out << "  truncated         " << result.truncated_answers() << " answers at " << result.max_new_tokens
      << " new tokens or the end of the context";
  if (result.cut_prompts() > 0) out << "; " << result.cut_prompts() << " prompts lost their front";
  out << "\n  speed             " << std::setprecision(0) << result.tokens_per_s() << " tokens/s, "
      << result.generated_tokens() << " tokens in " << std::setprecision(1) << result.seconds << " s\n";
  return out.str();
}

std::string circumstances(const EvaluationRun& run) {
  const InferenceModel& model = *run.model;
  return str("model ", model.path, ", method ", model.method() != nullptr ? model.method()->name() : "none", ", ",
             model.dtype_name(), ", batch size ", run.options.batch_size, ", ", model.device_name(),
             ", greedy; intervals: Wilson, 95 %\n");
}

}  // namespace bt
