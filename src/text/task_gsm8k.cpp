#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/text/gsm8k_grading.h"
#include "bt/text/json_lines.h"
#include "bt/text/python_random.h"
#include "bt/text/python_str.h"
#include "task_families.h"

namespace bt {
namespace {

constexpr uint32_t kShotSeed = 1234;  // the harness's fewshot_random_seed
constexpr size_t kShots = 5;

std::string cot_question(std::string_view question) { return "Q: " + std::string(question) + "\nA:"; }
std::string plain_question(std::string_view question) { return "Question: " + std::string(question) + "\nAnswer:"; }

FilterGrade matched(std::string filter, std::string extracted, std::string_view target) {
  const int score = harness_exact_match(extracted, target);
  return {std::move(filter), std::move(extracted), score};
}

std::vector<FilterGrade> grade_cot(std::string_view completion, std::string_view gold) {
  const std::string text = valid_utf8(completion), target = after_hashes(gold);
  return {matched("strict-match", extract_cot_strict(text), target),
          matched("flexible-extract", extract_flexible(text), target)};
}

std::vector<FilterGrade> grade_plain(std::string_view completion, std::string_view gold) {
  const std::string text = valid_utf8(completion);
  return {matched("strict-match", extract_hash_strict(text), gold),
          matched("flexible-extract", extract_flexible(text), gold)};
}

std::vector<FilterGrade> grade_sft(std::string_view completion, std::string_view gold) {
  const std::string answer = extract_final_answer(completion);
  return {{"final-answer", valid_utf8(answer), same_final_answer(answer, extract_final_answer(gold))},
          {"whole-solution", valid_utf8(strip_space(completion)), same_solution(completion, gold)}};
}

// Five training problems for every document, drawn by one generator in the documents' order.
std::vector<std::string> drawn_shots(size_t documents, const std::string& data_dir) {
  const std::vector<Json> train = read_json_lines(data_dir + "/gsm8k/train.jsonl");
  if (train.size() < kShots) {
    fail_bad_file({.what = "too few problems to draw shots from",
                   .where = data_dir + "/gsm8k/train.jsonl",
                   .expected = str("at least ", kShots),
                   .found = str(train.size())});
  }
  PythonRandom random(kShotSeed);
  std::vector<std::string> preambles(documents);
  for (std::string& preamble : preambles) {
    for (size_t index : random.sample(train.size(), kShots)) {
      preamble += plain_question(text_of(train[index], "question")) + " " + text_of(train[index], "answer") + "\n\n";
    }
  }
  return preambles;
}

Task gsm8k_task(std::string name) {
  Task task;
  task.name = std::move(name);
  task.data_file = "gsm8k/test.jsonl";
  task.gold_field = "answer";
  return task;
}

Task sft_task() {
  Task task = gsm8k_task("gsm8k_sft");
  task.prompt_form = "the training run's own template, no shots";
  task.grader =
      "number after the last '#### ', else in the last \\boxed{}, as a decimal number; whole solution word for word";
  task.default_template = "{question}\n";
  task.max_new_tokens = 512;
  task.target = [](const Json& document) { return text_of(document, "answer"); };
  task.grade = grade_sft;
  return task;
}

Task cot_task() {
  Task task = gsm8k_task("gsm8k_cot");
  task.prompt_form = "Q: {question}\\nA: after 8 fixed chain-of-thought exemplars";
  task.grader = "lm-evaluation-harness gsm8k_cot 3.0";
  task.version = 3.0;
  task.shots = 8;
  task.stop = {"Q:", "</s>", "<|im_end|>"};
  task.question = [](const Json& document) { return cot_question(text_of(document, "question")); };
  task.preambles = fixed_preamble(gsm8k_exemplars(), cot_question);
  task.target = [](const Json& document) { return after_hashes(text_of(document, "answer")); };
  task.grade = grade_cot;
  return task;
}

Task plain_task() {
  Task task = gsm8k_task("gsm8k");
  task.prompt_form = "Question: {question}\\nAnswer: after 5 training problems drawn for each document";
  task.grader = "lm-evaluation-harness gsm8k 3.0";
  task.version = 3.0;
  task.shots = kShots;
  task.stop = {"Question:", "</s>", "<|im_end|>"};
  task.question = [](const Json& document) { return plain_question(text_of(document, "question")); };
  task.preambles = drawn_shots;
  task.target = [](const Json& document) { return text_of(document, "answer"); };
  task.grade = grade_plain;
  return task;
}

}  // namespace

std::vector<Task> gsm8k_tasks() { return {sft_task(), cot_task(), plain_task()}; }

}  // namespace bt
