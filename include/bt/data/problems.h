// Synthetic multi-step arithmetic in words: shuffled facts, a question, one step a line. Difficulty is set by knobs,
// the answers are right by construction, and any number of problems exists.
//
//   Ann has 2 fewer than Dan. Dan has 5. Eve has as many as Ann plus Dan. How many does Eve have?
//   Ann has 3
//   Eve has 8
//   #### 8
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bt {

struct ProblemOptions {
  int64_t min_steps = 2, max_steps = 4;  // facts to combine after the given one
  int64_t max_value = 9;                 // every value lies in [0, max_value]
  int64_t max_operand = 5;               // N of "N more than", in [1, max_operand]
  double two_operand_rate = 0.3;         // share of facts that name an earlier result beside the latest one
  bool far = true;                       // that result is any earlier one; false: the one before the latest
  bool multiply = false;                 // "twice as many as" too
  bool verbose = false;                  // steps show their sum: "Ann has 5 - 2 = 3"
  int64_t distractors = 0;               // facts that lead nowhere; each takes two names
  int64_t names = 8;                     // names to draw from, at most 20
};

// The options of a test set that differs from training: id (the same), longer (2 more steps), larger (twice the values)
// or distractors (one more fact). ExitCode::usage for another name, and for options that cannot be met.
ProblemOptions shifted_problems(ProblemOptions options, std::string_view shift);

struct WordProblem {
  std::string question, answer;  // GSM8K's fields; the answer ends in "#### N"
};

// WordProblem number `index` of a seed: the same text on every machine. ExitCode::usage for options that cannot be met.
WordProblem make_problem(const ProblemOptions& options, uint64_t seed, uint64_t index);

// The problem with its facts in sorted order: equal for problems that differ in the order of facts alone.
std::string problem_key(const WordProblem& problem);

// `count` different problems of a seed, in order of their index; the first n do not depend on count. `split` keeps the
// problems whose key hashes into that share: train (80 %), validation (10 %), test (10 %) or all. So the splits never
// share a problem, whatever their seeds, options and sizes. ExitCode::usage where so many different ones are not found.
std::vector<WordProblem> make_problems(const ProblemOptions& options, uint64_t seed, int64_t count,
                                       std::string_view split = "all");

// One JSON object a line with the fields question and answer.
std::string problems_jsonl(const std::vector<WordProblem>& problems);

// All that problems are written with, as vocabulary for a tokenizer: names, phrases with the spaces around them,
// digits.
const std::vector<std::string>& problem_words();

}  // namespace bt
