#include <algorithm>
#include <array>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/gsm8k_grading.h"
#include "bt/text/pattern.h"
#include "bt/text/python_str.h"
#include "task_families.h"

namespace bt {
namespace {

// The letters of an answer in order, upper case, each once: "a" -> "A", "A B D" -> "ABD".
std::string letters_of(std::string_view text) {
  std::string letters;
  for (char c : text) {
    if (c >= 'a' && c <= 'd') c = static_cast<char>(c - 'a' + 'A');
    if (c >= 'A' && c <= 'D' && letters.find(c) == std::string::npos) letters += c;
  }
  std::sort(letters.begin(), letters.end());
  return letters;
}

// The letters after the last "answer is" (or its Chinese forms); else the letter a completion begins with; else the
// last letter in parentheses.
std::string extract_choice(std::string_view completion) {
  static const Pattern stated(
      "(?i:answer is|answer:|答案(?:是|为)?|应选择?|故选)[ :：]*[(（]?([A-D](?:[ ,、]*[A-D])*)(?![A-Za-z])");
  static const Pattern leading("\\A\\s*[(（]?([A-D](?:[ ,、]*[A-D])*)(?![A-Za-z])");
  static const Pattern bracketed("[(（]([A-D])[)）]");
  for (const Pattern* pattern : {&stated, &leading, &bracketed}) {
    const auto matches = pattern->find_all(completion);
    if (!matches.empty()) return letters_of(matches.back().groups[1]);
  }
  return std::string(kInvalidAnswer);
}

std::vector<FilterGrade> grade(std::string_view completion, std::string_view gold) {
  const std::string answer = extract_choice(valid_utf8(completion));
  return {{"choice", answer, answer == letters_of(gold)}};
}

// LogiQA's text form: blocks of eight lines, the first blank, then key, passage, question and four options.
std::vector<Json> read_logiqa(const std::string& path) {
  constexpr size_t kLines = 8;
  constexpr std::array<std::string_view, kLines> kKeys = {"", "label", "context", "question", "A", "B", "C", "D"};
  const std::string text = read_file(path);
  std::vector<std::string_view> lines = split_text(text, "\n");
  while (!lines.empty() && strip_space(lines.back()).empty()) lines.pop_back();
  if (lines.size() % kLines != 0) {
    fail_bad_file({.what = "a broken block",
                   .where = path,
                   .expected = "eight lines a problem",
                   .found = str(lines.size(), " lines")});
  }
  std::vector<Json> documents;
  for (size_t first = 0; first < lines.size(); first += kLines) {
    Json document = Json::object();
    for (size_t i = 1; i < kLines; ++i) document.set(std::string(kKeys[i]), strip_space(lines[first + i]));
    documents.push_back(std::move(document));
  }
  return documents;
}

std::string logiqa_question(const Json& document) {
  std::string text =
      "Passage: " + text_of(document, "context") + "\nQuestion: " + text_of(document, "question") + "\nChoices:\n";
  for (std::string_view letter : {"A", "B", "C", "D"}) {
    std::string_view option = text_of(document, letter);
    if (option.starts_with(str(letter, "."))) option.remove_prefix(2);
    text += str(letter, ". ", strip_space(option), "\n");
  }
  return text + "Answer:";
}

// AGIEval's zero-shot form (Zhong et al. 2023, arXiv 2304.06364).
std::string gaokao_question(const Json& document) {
  std::string text = "问题：" + text_of(document, "question") + " 选项：";
  const Json& options = document.at("options", "document: options");
  for (std::string_view letter : {"A", "B", "C", "D"}) text += str("(", letter, ")", text_of(options, letter), " ");
  return text + "\n答案：从A到D, 我们应选择";
}

Task choice_task(std::string name, std::string data_file) {
  Task task;
  task.name = std::move(name);
  task.data_file = std::move(data_file);
  task.grader = "letters stated as the answer in generated text (the harness ranks options by likelihood instead)";
  task.gold_field = "label";
  task.target = [](const Json& document) { return letters_of(text_of(document, "label")); };
  task.grade = grade;
  return task;
}

}  // namespace

std::vector<Task> choice_tasks() {
  Task logiqa = choice_task("logiqa", "logiqa/test.txt");
  logiqa.prompt_form = "Passage, Question, Choices A. to D., Answer:, no shots";
  logiqa.stop = {"Passage:"};
  logiqa.read = read_logiqa;
  logiqa.question = logiqa_question;
  Task gaokao = choice_task("gaokao_mathqa", "gaokao_mathqa/test.jsonl");
  gaokao.prompt_form = "问题：… 选项：(A)… (D)…\\n答案：从A到D, 我们应选择, no shots";
  gaokao.stop = {"问题："};
  gaokao.question = gaokao_question;
  return {logiqa, gaokao};
}

}  // namespace bt
