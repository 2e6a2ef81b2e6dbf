#include <utility>

#include "bt/core/error.h"
#include "bt/text/gsm8k_grading.h"
#include "bt/text/math_normalisation.h"
#include "bt/text/minerva_grading.h"
#include "bt/text/python_str.h"
#include "task_families.h"

namespace bt {
namespace {

constexpr std::pair<std::string_view, std::string_view> kSubjects[] = {
    {"", ""},
    {"_algebra", "Algebra"},
    {"_counting_and_prob", "Counting & Probability"},
    {"_geometry", "Geometry"},
    {"_intermediate_algebra", "Intermediate Algebra"},
    {"_num_theory", "Number Theory"},
    {"_prealgebra", "Prealgebra"},
    {"_precalc", "Precalculus"}};

std::string hendrycks_question(std::string_view problem) { return "Problem: " + std::string(problem) + "\nAnswer:"; }
std::string minerva_question(std::string_view problem) { return "Problem:\n" + std::string(problem) + "\n\nSolution:"; }

std::string boxed_gold(std::string_view solution) {
  auto answer = harness_boxed_answer(solution);
  if (!answer) {
    fail_bad_file({.what = "a reference solution has no answer",
                   .where = "gold",
                   .expected = "\\boxed{...}",
                   .found = std::string(solution.substr(0, 80)),
                   .next_step = "give the data set's own solution field"});
  }
  return *std::move(answer);
}

std::vector<FilterGrade> grade_sft(std::string_view completion, std::string_view gold) {
  const std::string expected = boxed_gold(gold);  // a gold without one is refused whatever the answer
  const auto answer = last_boxed_answer(valid_utf8(completion));
  if (!answer) return {{"boxed", std::string(kInvalidAnswer), 0}};
  return {{"boxed", *answer, same_math_answer(*answer, expected)}};
}

std::vector<FilterGrade> grade_hendrycks(std::string_view completion, std::string_view gold) {
  const std::string text = valid_utf8(completion);
  const std::string_view answer = between_dollars(text);
  return {{"none", std::string(answer), same_math_answer(answer, boxed_gold(gold))}};
}

template <MinervaRules rules>
std::vector<FilterGrade> grade_minerva(std::string_view completion, std::string_view gold) {
  const std::string answer = normalise_minerva(extract_minerva_answer(valid_utf8(completion)), rules);
  const std::string expected = normalise_minerva(boxed_gold(gold), rules);
  const Verdict verdict = compare_minerva(answer, expected, rules);
  const bool right =
      verdict == Verdict::right || (verdict == Verdict::undecided && !answer.empty() && answer == expected);
  return {{"none", answer, right, verdict == Verdict::undecided}};
}

Task math_task(std::string name, std::string_view subject) {
  Task task;
  task.name = std::move(name);
  task.data_file = "math/test.jsonl";
  task.only_type = subject;
  task.gold_field = "solution";
  task.stop = {"Problem:"};
  return task;
}

Task sft_task() {
  Task task = math_task("math_sft", "");
  task.prompt_form = "the training run's own template, no shots";
  task.grader = "last \\boxed{} after the MATH authors' normalisation";
  task.default_template = "{problem}\n";
  task.max_new_tokens = 1024;
  task.stop = {};
  task.target = [](const Json& document) { return text_of(document, "solution"); };
  task.grade = grade_sft;
  return task;
}

Task hendrycks_task(std::string_view suffix, std::string_view subject) {
  Task task = math_task("hendrycks_math" + std::string(suffix), subject);
  task.prompt_form = "Problem: {problem}\\nAnswer:, no shots";
  task.grader = "lm-evaluation-harness hendrycks_math 1.0: text between the first and the last $";
  task.question = [](const Json& document) { return hendrycks_question(text_of(document, "problem")); };
  task.target = [](const Json& document) { return boxed_gold(text_of(document, "solution")); };
  task.grade = grade_hendrycks;
  return task;
}

template <MinervaRules rules>
Task minerva_task(std::string_view suffix, std::string_view subject) {
  const bool older = rules == MinervaRules::v3_0;
  Task task = math_task((older ? "minerva_math_v3_0" : "minerva_math") + std::string(suffix), subject);
  task.prompt_form = "Problem:\\n{problem}\\n\\nSolution: after 4 fixed exemplars";
  task.grader = std::string("lm-evaluation-harness minerva_math ") + (older ? "3.0" : "3.1") +
                " as text and plain numbers; what needs computer algebra is marked undecided";
  task.version = older ? 3.0 : 3.1;
  task.shots = 4;
  task.question = [](const Json& document) { return minerva_question(text_of(document, "problem")); };
  task.preambles = fixed_preamble(minerva_exemplars(rules), minerva_question);
  task.target = [](const Json& document) {
    return normalise_minerva(boxed_gold(text_of(document, "solution")), rules);
  };
  task.grade = grade_minerva<rules>;
  return task;
}

}  // namespace

std::vector<Task> math_tasks() {
  std::vector<Task> out = {sft_task()};
  for (const auto& [suffix, subject] : kSubjects) out.push_back(hendrycks_task(suffix, subject));
  for (const auto& [suffix, subject] : kSubjects) out.push_back(minerva_task<MinervaRules::v3_1>(suffix, subject));
  for (const auto& [suffix, subject] : kSubjects) out.push_back(minerva_task<MinervaRules::v3_0>(suffix, subject));
  return out;
}

}  // namespace bt
