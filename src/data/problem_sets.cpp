// Sets of different problems, and splits that cannot overlap.
#include <algorithm>
#include <unordered_set>

#include "bt/core/error.h"
#include "bt/core/json.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"
#include "bt/data/problems.h"
#include "problem_words.h"

namespace bt {
namespace {

constexpr int64_t kMaxProblems = 100'000'000;
constexpr int kMaxMisses = 100'000;  // candidates in a row that are known or of another split

// The tenths [begin, end) of the hash range that make a split.
struct Tenths {
  uint64_t begin, end;
};

Tenths tenths_of(std::string_view split) {
  if (split == "all") return {0, 10};
  if (split == "train") return {0, 8};
  if (split == "validation") return {8, 9};
  if (split == "test") return {9, 10};
  fail_usage(
      {.what = "unknown split of problems", .expected = "all, train, validation or test", .found = std::string(split)});
}

// FNV-1a alone is weak in its low bits: the Philox rounds mix it.
uint64_t tenth_of(std::string_view key) {
  const uint64_t hash = stream_id(key);
  return philox({static_cast<uint32_t>(hash), static_cast<uint32_t>(hash >> 32), 0, 0}, {0, 0})[0] % 10;
}

}  // namespace

std::string problem_key(const WordProblem& problem) {
  const size_t question = problem.question.rfind(words::kNextFact);
  BT_ASSERT(question != std::string::npos);
  std::vector<std::string> facts;
  for (size_t begin = 0; begin < question;) {
    const size_t end = problem.question.find(words::kNextFact, begin);
    facts.push_back(problem.question.substr(begin, end - begin));
    begin = end + std::string_view(words::kNextFact).size();
  }
  std::sort(facts.begin(), facts.end());
  return join(facts, words::kNextFact) + problem.question.substr(question);
}

std::vector<WordProblem> make_problems(const ProblemOptions& options, uint64_t seed, int64_t count,
                                       std::string_view split) {
  if (count < 0 || count > kMaxProblems) {
    fail_usage({.what = "number of problems is out of range", .expected = "0 to 100000000", .found = str(count)});
  }
  const Tenths share = tenths_of(split);
  std::vector<WordProblem> problems;
  std::unordered_set<std::string> known;
  int misses = 0;
  for (uint64_t index = 0; static_cast<int64_t>(problems.size()) < count; ++index) {
    WordProblem problem = make_problem(options, seed, index);
    std::string key = problem_key(problem);
    const uint64_t tenth = tenth_of(key);
    if (share.begin <= tenth && tenth < share.end && known.insert(std::move(key)).second) {
      problems.push_back(std::move(problem));
      misses = 0;
    } else if (++misses == kMaxMisses) {
      fail_usage({.what = "these options do not give so many different problems",
                  .expected = str(count),
                  .found = str(problems.size()),
                  .next_step = "ask for fewer, or raise names, max_steps or max_value"});
    }
  }
  return problems;
}

std::string problems_jsonl(const std::vector<WordProblem>& problems) {
  std::string lines;
  for (const WordProblem& problem : problems) {
    Json line = Json::object();
    line.set("question", problem.question);
    line.set("answer", problem.answer);
    lines += line.dump() + "\n";
  }
  return lines;
}

}  // namespace bt
