// Seeded fuzzing of a reader: whatever the input, it returns or throws bt::Error. Memory errors are what the sanitizers
// are for (preset asan). A reader marks the stages that an input reaches; the shares are printed and have floors, so
// that a change that stops every mutant at the first check is noticed.
//
//   TEST(FullFuzz, Names) {
//     fuzz({.name = "names", .seeds = {"[1]"}, .read = [](const std::string& text, StageCounts& stages) {
//             const Json json = Json::parse(text, "fuzz");
//             stages.reach("json");
//           }, .floors = {{"json", 0.3}}}, 100'000);
//   }
//
// BT_FUZZ_INPUTS sets how many inputs, BT_FUZZ_SEED the seed and BT_FUZZ_FIRST the first one: input i depends on the
// name, the seed and i alone. Floors count from 1,000 inputs on. BT_FUZZ_SHOW=1 prints every input before it is read,
// to find one that ends the process.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"
#include "support/fuzz_mutations.h"

namespace bt::testing {

// How many inputs got as far as each stage, in the order in which stages were first reached.
class StageCounts {
 public:
  void reach(const std::string& stage) {
    if (counts_.try_emplace(stage, 0).second) order_.push_back(stage);
    ++counts_[stage];
  }
  int64_t of(const std::string& stage) const {
    const auto found = counts_.find(stage);
    return found == counts_.end() ? 0 : found->second;
  }
  const std::vector<std::string>& stages() const { return order_; }

 private:
  std::map<std::string, int64_t> counts_;
  std::vector<std::string> order_;
};

struct FuzzTarget {
  using Mutate =
      std::function<std::string(const std::string& seed, const std::vector<std::string>& seeds, CounterRng&)>;
  std::string name;
  std::vector<std::string> seeds;  // valid inputs: each must be read without an error
  std::function<void(const std::string& input, StageCounts& stages)> read;
  std::map<std::string, double> floors;  // least share of inputs that reach a stage; "read" is the end of `read`
  Mutate mutate = mutate_text;
  ExitCode refusal = ExitCode::bad_file;  // code of every error
};

inline int64_t fuzz_setting(const char* variable, int64_t otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::strtoll(value, nullptr, 10);
}

inline std::string fuzz_input(const FuzzTarget& target, int64_t seed, int64_t index) {
  CounterRng rng(static_cast<uint64_t>(seed), stream_id(target.name), static_cast<uint64_t>(index));
  return target.mutate(fuzz_pick(target.seeds, rng), target.seeds, rng);
}

inline void print_shares(const FuzzTarget& target, const StageCounts& stages, int64_t seed, int64_t inputs,
                         double slowest) {
  std::cout << target.name << ": seed " << seed << ", " << inputs << " inputs;" << std::fixed << std::setprecision(1);
  for (const std::string& stage : stages.stages()) {
    std::cout << ' ' << stage << ' ' << 100.0 * static_cast<double>(stages.of(stage)) / static_cast<double>(inputs)
              << " %,";
  }
  std::cout << " slowest " << 1000 * slowest << " ms\n";
}

inline void fuzz(const FuzzTarget& target, int64_t inputs) {
  using Clock = std::chrono::steady_clock;
  StageCounts of_seeds, stages;
  for (const std::string& seed : target.seeds) ASSERT_NO_THROW(target.read(seed, of_seeds)) << seed;
  const int64_t first = fuzz_setting("BT_FUZZ_FIRST", 0), number = fuzz_setting("BT_FUZZ_SEED", 1);
  inputs = fuzz_setting("BT_FUZZ_INPUTS", inputs);
  const bool show = fuzz_setting("BT_FUZZ_SHOW", 0) != 0;
  double slowest = 0;
  for (int64_t index = first; index < first + inputs; ++index) {
    const std::string input = fuzz_input(target, number, index);
    if (show) std::cerr << target.name << " " << index << ": " << quoted_excerpt(input, input.size()) << std::endl;
    const Clock::time_point start = Clock::now();
    try {
      target.read(input, stages);
      stages.reach("read");
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), target.refusal) << "input " << index << ": " << error.what();
    } catch (const std::exception& error) {
      FAIL() << target.name << ", input " << index << ": " << error.what() << "\n" << input;
    }
    slowest = std::max(slowest, std::chrono::duration<double>(Clock::now() - start).count());
  }
  print_shares(target, stages, number, inputs, slowest);
  if (inputs < 1000) return;
  for (const auto& [stage, share] : target.floors) {
    EXPECT_GE(static_cast<double>(stages.of(stage)), share * static_cast<double>(inputs))
        << target.name << ": " << stage;
  }
}

}  // namespace bt::testing
