#include <algorithm>
#include <cmath>
#include <optional>

#include "bt/core/error.h"
#include "bt/text/gsm8k_grading.h"
#include "bt/text/numbers.h"
#include "bt/text/pattern.h"
#include "bt/text/python_str.h"
#include "task_families.h"

namespace bt {
namespace {

constexpr double kRelativeTolerance = 0.04;  // of non-integer answers, as the data set's authors grade

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// The rest of the line after the last "answer is", without a final period.
std::string extract_answer(std::string_view completion) {
  static const Pattern pattern("(?i)answer is:?[ \\t]*([^\\n]*)");
  const auto matches = pattern.find_all(completion);
  if (matches.empty()) return std::string(kInvalidAnswer);
  std::string_view answer = strip_space(matches.back().groups[1]);
  if (answer.ends_with('.')) answer.remove_suffix(1);
  return std::string(strip_space(answer));
}

std::optional<double> number_in(std::string_view text) {
  static const Pattern pattern("-?(?:[0-9][0-9,]*)?\\.?[0-9]+(?:[eE][-+]?[0-9]+)?");
  const auto match = pattern.search(text);
  return match ? parse_double(bare_number(match->groups[0])) : std::nullopt;
}

bool same_number(double answer, const Json& gold) {
  const double expected = gold.as_double("gold");
  if (gold.is_integer()) return std::round(answer) == expected;
  return std::abs(answer - expected) <= kRelativeTolerance * std::abs(expected);
}

bool same_numbers(std::string_view answer, const Json::Array& gold) {
  static const Pattern pattern("-?(?:[0-9]+)?\\.?[0-9]+(?:[eE][-+]?[0-9]+)?");
  std::vector<double> found;
  for (const PatternMatch& match : pattern.find_all(answer))
    found.push_back(parse_double(match.groups[0]).value_or(NAN));
  if (found.size() != gold.size()) return false;
  for (size_t i = 0; i < found.size(); ++i) {
    if (!same_number(found[i], gold[i])) return false;
  }
  return true;
}

bool same_truth(std::string_view answer, bool gold) {
  static const Pattern yes("\\A(?:true|yes)\\b"), no("\\A(?:false|no)\\b");
  const std::string text = lower(answer);
  return (gold ? yes : no).search(text).has_value();
}

bool same_option(std::string_view answer, std::string_view gold) {
  static const Pattern letter("\\A\\(?([a-z])\\b");
  const std::string a = lower(answer), b = lower(gold);
  const auto found = letter.search(a), expected = letter.search(b);
  return found && expected && found->groups[1] == expected->groups[1];
}

// The gold is the answer field as JSON: a number, a list of numbers, true, false, or the text of an option.
bool same_answer(std::string_view answer, std::string_view gold_text) {
  if (!gold_text.starts_with('[') && gold_text != "true" && gold_text != "false" && !parse_double(gold_text)) {
    return same_option(answer, gold_text);
  }
  const Json gold = Json::parse(gold_text, "gold");
  if (gold.is_bool()) return same_truth(answer, gold.as_bool("gold"));
  if (gold.is_array()) return same_numbers(answer, gold.as_array("gold"));
  const auto number = number_in(answer);
  return number && same_number(*number, gold);
}

std::vector<FilterGrade> grade(std::string_view completion, std::string_view gold) {
  const std::string answer = extract_answer(valid_utf8(completion));
  return {{"answer-is", answer, answer != kInvalidAnswer && same_answer(answer, gold)}};
}

// A list of all problems; those that need a picture are left out.
std::vector<Json> read_text_only(const std::string& path) {
  std::vector<Json> documents = Json::parse_file(path).as_array(path);
  std::erase_if(documents, [](const Json& document) {
    const Json* picture = document.find("Picture");
    return picture != nullptr && !picture->is_null();
  });
  return documents;
}

}  // namespace

std::vector<Task> theorem_tasks() {
  Task task;
  task.name = "theoremqa";
  task.prompt_form = "Question: {Question}\\nEnd with \"The answer is ...\", no shots; problems without a picture";
  task.grader =
      "text after the last 'answer is': integers exactly, other numbers within 4 %, lists, options, true or false";
  task.data_file = "theoremqa/test.json";
  task.gold_field = "Answer";
  task.stop = {"Question:"};
  task.read = read_text_only;
  task.question = [](const Json& document) {
    return "Question: " + text_of(document, "Question") +
           "\nThink step by step and end with \"The answer is\" followed by the answer.\nAnswer:";
  };
  task.target = [](const Json& document) { return document.at("Answer", "document: Answer").dump(); };
  task.grade = grade;
  return {task};
}

}  // namespace bt
