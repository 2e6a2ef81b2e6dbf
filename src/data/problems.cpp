#include "bt/data/problems.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"
#include "problem_words.h"

namespace bt {
namespace {

using namespace words;

constexpr auto kNameCount = static_cast<int64_t>(std::size(kNames));

void check(const ProblemOptions& o) {
  const auto refuse_unless = [](bool good, const char* expected) {
    if (!good) fail_usage({.what = "the options of the problems cannot be met", .expected = expected});
  };
  refuse_unless(1 <= o.min_steps && o.min_steps <= o.max_steps, "1 <= min_steps <= max_steps");
  refuse_unless(o.max_value >= 2 && o.max_value <= 1'000'000'000, "max_value from 2 to 1000000000");
  refuse_unless(o.max_operand >= 1 && o.max_operand <= 1'000'000'000, "max_operand from 1 to 1000000000");
  refuse_unless(o.two_operand_rate >= 0 && o.two_operand_rate <= 1, "two_operand_rate from 0 to 1");
  refuse_unless(o.names >= 1 && o.names <= kNameCount, "names from 1 to 20");
  refuse_unless(o.distractors >= 0 && o.max_steps < o.names && o.distractors <= (o.names - o.max_steps - 1) / 2,
                "max_steps + 1 + 2 * distractors <= names");
}

// One step: the result of the step before, an operator and an operand, which is a number or an earlier result.
struct Step {
  char op = '+';
  int64_t operand = 0;
  int64_t earlier = -1;  // index of the result that is the operand; -1: a plain number
  int64_t result = 0;
};

class Writer {
 public:
  Writer(const ProblemOptions& options, CounterRng random) : options_(options), random_(random) {}

  WordProblem write() {
    const int64_t steps = between(options_.min_steps, options_.max_steps);
    choose_names(static_cast<size_t>(steps + 1 + 2 * options_.distractors));
    values_ = {between(1, options_.max_value / 2)};
    facts_ = {str(names_[0], kHas, values_[0])};
    for (int64_t i = 1; i <= steps; ++i) add_step(static_cast<size_t>(i));
    for (int64_t d = 0; d < options_.distractors; ++d) add_distractor(static_cast<size_t>(steps + 1 + 2 * d));
    shuffle(facts_);
    const std::string facts = join(facts_, kNextFact) + kNextFact;
    return {.question = str(facts, kQuestion, names_[static_cast<size_t>(steps)], kHave),
            .answer = str(answer_, kFinal, values_.back())};
  }

 private:
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low + 1)));
  }

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random_.below(i)]);
  }

  void choose_names(size_t count) {
    names_.assign(kNames, kNames + options_.names);
    shuffle(names_);
    names_.resize(count);
  }

  Step propose(size_t i, bool allow_earlier) {
    const int64_t x = values_.back();
    Step step;
    if (allow_earlier && i >= 2 && random_.uniform() < options_.two_operand_rate) {
      const auto latest = static_cast<int64_t>(i) - 2;
      step.earlier = options_.far ? between(0, latest) : latest;
      step.operand = values_[static_cast<size_t>(step.earlier)];
      step.op = "+-"[random_.below(2)];
    } else {
      step.op = options_.multiply ? "++--*"[random_.below(5)] : "+-"[random_.below(2)];
      step.operand = step.op == '*' ? 2 : between(1, options_.max_operand);
    }
    step.result = step.op == '+' ? x + step.operand : step.op == '-' ? x - step.operand : x * step.operand;
    return step;
  }

  // Proposes until the result is in range. After 100 misses two operands are given up (none may fit), after 1,000 so is
  // chance: one more or one fewer always fits.
  Step choose_step(size_t i) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const Step step = propose(i, attempt < 100);
      if (0 <= step.result && step.result <= options_.max_value) return step;
    }
    const int64_t x = values_.back();
    return x > 0 ? Step{.op = '-', .operand = 1, .result = x - 1} : Step{.op = '+', .operand = 1, .result = x + 1};
  }

  std::string fact(size_t i, const Step& step) const {
    const std::string &me = names_[i], &other = names_[i - 1];
    if (step.earlier >= 0) {
      const std::string& earlier = names_[static_cast<size_t>(step.earlier)];
      return str(me, kAsMany, other, step.op == '+' ? kPlus : kMinus, earlier);
    }
    if (step.op == '*') return str(me, kTwice, other);
    return str(me, kHas, step.operand, step.op == '+' ? kMore : kFewer, other);
  }

  void add_step(size_t i) {
    const Step step = choose_step(i);
    const char* sign = step.op == '+' ? kAdd : step.op == '-' ? kSubtract : kTimes;
    facts_.push_back(fact(i, step));
    answer_ += names_[i] + kHas;
    if (options_.verbose) answer_ += str(values_.back(), sign, step.operand, kEquals);
    answer_ += str(step.result, "\n");
    values_.push_back(step.result);
  }

  void add_distractor(size_t name) {
    const char* relation = random_.below(2) == 0 ? kMore : kFewer;
    facts_.push_back(str(names_[name], kHas, between(1, options_.max_operand), relation, names_[name + 1]));
  }

  const ProblemOptions& options_;
  CounterRng random_;
  std::vector<std::string> names_, facts_;
  std::vector<int64_t> values_;  // of names_[0], names_[1], …
  std::string answer_;
};

}  // namespace

ProblemOptions shifted_problems(ProblemOptions options, std::string_view shift) {
  check(options);  // else a sum below could overflow
  if (shift == "longer") {
    options.min_steps += 2;
    options.max_steps += 2;
  } else if (shift == "larger") {
    options.max_value *= 2;
    options.max_operand *= 2;
  } else if (shift == "distractors") {
    options.distractors += 1;
  } else if (shift != "id") {
    fail_usage({.what = "unknown shift of problems",
                .expected = "id, longer, larger or distractors",
                .found = std::string(shift)});
  }
  return options;
}

WordProblem make_problem(const ProblemOptions& options, uint64_t seed, uint64_t index) {
  check(options);
  return Writer(options, CounterRng(seed, stream_id("problems"), index)).write();
}

const std::vector<std::string>& problem_words() {
  static const std::vector<std::string> kWords = [] {
    std::vector<std::string> all(std::begin(kNames), std::end(kNames));
    for (const char* phrase : {kHas, kMore, kFewer, kTwice, kAsMany, kPlus, kMinus, kNextFact, kQuestion, kHave, kAdd,
                               kSubtract, kTimes, kEquals, kFinal}) {
      all.emplace_back(phrase);
    }
    for (char digit = '0'; digit <= '9'; ++digit) all.emplace_back(1, digit);
    return all;
  }();
  return kWords;
}

}  // namespace bt
