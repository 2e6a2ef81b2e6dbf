// The quickstart's tokenizer on synthetic problems: small, exact, and as short as one token a word.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iostream>

#include "bt/data/problems.h"
#include "bt/text/boundaries.h"

namespace bt {
namespace {

// Tokens of the problem with one token a word, digit, sign and newline, and EOS, counted in the plainest wording:
// "Eve has twice Ann", "Eve has Ann plus Dan", "How many has Eve?", "Eve 8".
int64_t plain_word_count(const WordProblem& problem) {
  static const std::vector<std::pair<std::string, std::string>> kShorter{{" twice as many as ", " twice "},
                                                                         {" has as many as ", " has "},
                                                                         {"How many does ", "How many has "},
                                                                         {" have?", "?"}};
  std::string question = problem.question;
  for (const auto& [longer, shorter] : kShorter) {
    for (size_t at; (at = question.find(longer)) != std::string::npos;) question.replace(at, longer.size(), shorter);
  }
  std::string answer = problem.answer;
  for (size_t at; (at = answer.find(" has ")) != std::string::npos;) answer.replace(at, 5, " ");
  int64_t count = 1;  // EOS
  bool in_word = false;
  for (const char c : question + "\n" + answer) {
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '#';
    count += letter ? !in_word : c != ' ';
    in_word = letter;
  }
  return count;
}

TEST(ProblemTokens, AVocabularyOf96IsAsShortAsOneTokenAWord) {
  std::vector<WordProblem> problems = make_problems({}, 1, 500);
  for (const bool verbose : {false, true}) {
    for (const WordProblem& problem : make_problems({.multiply = true, .verbose = verbose, .names = 20}, 2, 500)) {
      problems.push_back(problem);
    }
  }
  std::vector<std::string> texts;
  for (const WordProblem& problem : problems) texts.push_back(problem.question + "\n" + problem.answer);
  const std::string model =
      std::filesystem::path(::testing::TempDir()) / ("bt_problems_" + std::to_string(::getpid()) + ".model");
  train_sentencepiece(texts, {.vocab_size = 96, .byte_fallback = false, .words = problem_words()}, model);
  const auto tokenizer = load_tokenizer(model);
  EXPECT_LE(tokenizer->vocab_size(), 96);

  const BoundaryTable table(*tokenizer, tokenizer->vocab_size());
  int64_t tokens = 0, words = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<int32_t> ids = tokenizer->encode(texts[i]);
    ASSERT_EQ(tokenizer->decode(ids), texts[i]);
    const auto steps = std::count(problems[i].answer.begin(), problems[i].answer.end(), '\n');
    const auto prompt = static_cast<int64_t>(tokenizer->encode(problems[i].question + "\n").size());
    ASSERT_EQ(step_starts(ids, prompt, table, {}, {}).size(), static_cast<size_t>(steps) + 1);  // the prompt's end too
    tokens += static_cast<int64_t>(ids.size()) + 1;
    words += plain_word_count(problems[i]);
  }
  for (const std::string& word : problem_words()) EXPECT_EQ(tokenizer->encode(word).size(), 1u) << word;
  const double ratio = static_cast<double>(tokens) / static_cast<double>(words);
  std::cout << "vocabulary " << tokenizer->vocab_size() << ", tokens per problem "
            << static_cast<double>(tokens) / static_cast<double>(texts.size()) << ", " << ratio
            << " of one token a word\n";
  RecordProperty("tokens_per_word_level_token", std::to_string(ratio));
  EXPECT_LE(ratio, 1.2);
}

}  // namespace
}  // namespace bt
