#include <cmath>

#include "bt/text/gsm8k_grading.h"
#include "bt/text/numbers.h"
#include "bt/text/python_str.h"
#include "task_families.h"

namespace bt {
namespace {

// The tolerance of the authors of GSM-Hard (Gao et al. 2023, arXiv 2211.10435), and room for the rounding of doubles.
bool near(double answer, double gold) { return std::abs(answer - gold) < 1e-3 + 1e-12 * std::abs(gold); }

std::string cot_question(std::string_view question) { return "Q: " + std::string(question) + "\nA:"; }

FilterGrade numeric(std::string filter, std::string extracted, std::string_view gold) {
  const auto answer = parse_double(bare_number(extracted)), expected = parse_double(bare_number(gold));
  return {std::move(filter), std::move(extracted), answer && expected && near(*answer, *expected)};
}

std::vector<FilterGrade> grade(std::string_view completion, std::string_view gold) {
  const std::string text = valid_utf8(completion);
  return {numeric("strict-match", extract_cot_strict(text), gold),
          numeric("flexible-extract", extract_flexible(text), gold)};
}

Task word_problem_task(std::string name, std::string gold_field) {
  Task task;
  task.data_file = name + "/test.jsonl";
  task.name = std::move(name);
  task.prompt_form = "Q: {question}\\nA: after gsm8k_cot's 8 exemplars";
  task.grader = "gsm8k_cot's filters, equal to the gold number within 0.001";
  task.shots = 8;
  task.stop = {"Q:", "</s>", "<|im_end|>"};
  task.preambles = fixed_preamble(gsm8k_exemplars(), cot_question);
  task.target = [gold_field](const Json& document) {
    return document.at(gold_field, "document: " + gold_field).dump();
  };
  task.gold_field = std::move(gold_field);
  task.grade = grade;
  return task;
}

}  // namespace

std::vector<Task> word_problem_tasks() {
  Task svamp = word_problem_task("svamp", "Answer");
  svamp.question = [](const Json& document) {
    return cot_question(text_of(document, "Body") + " " + text_of(document, "Question"));
  };
  Task gsm_hard = word_problem_task("gsm_hard", "target");
  gsm_hard.question = [](const Json& document) { return cot_question(text_of(document, "input")); };
  return {svamp, gsm_hard};
}

}  // namespace bt
