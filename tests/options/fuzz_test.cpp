// Mutated files against every reader of files from elsewhere: whatever the bytes, a reader returns or throws bt::Error.
// Memory errors are what the sanitizers are for (preset asan).
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "bt/core/config_node.h"
#include "bt/core/error.h"
#include "bt/core/json.h"
#include "bt/core/random.h"
#include "bt/format/model_config.h"
#include "bt/format/safetensors.h"
#include "bt/options/train_options.h"

namespace bt {
namespace {

struct Target {
  std::string name;
  std::vector<std::string> seeds;  // valid inputs
  std::function<void(const std::string&)> read;
};

void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }

std::string with_length(const std::string& header) {
  const uint64_t length = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + header;
}

std::vector<Target> targets() {
  const std::string model =
      R"({"model_type": "llama", "vocab_size": 50, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu",
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32}, "rope_theta": 10000.0, "eos_token_id": [1, 2], "tie_word_embeddings": true})";
  const std::string run =
      "run: {out: runs/x, seed: 3}\nmodel: {tokenizer: t, hidden_size: 64, intermediate_size: 96, layers: 2, heads: "
      "4}\n"
      "latent:\n  method: bt\n  recall: 4\n  width: 32 # comment\ndata:\n  train: [a.jsonl, \"b.jsonl\"]\n"
      "train: {steps: 10, lr: 1e-3, betas: [0.9, 0.95]}\n";
  const std::string tensors =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}})";
  return {
      {"json",
       {model, tensors, R"(["é", {"x": [[[-1.5e-7, true, null]]]}])"},
       [](const std::string& text) { Json::parse(text, "fuzz"); }},
      {"yaml", {run, "a: [1, {b: c}]\nd: 'e'\n"}, [](const std::string& text) { parse_yaml(text, "fuzz"); }},
      {"experiment",
       {run},
       [](const std::string& text) {
         ExperimentOptions options;
         read_options(parse_yaml(text, "fuzz"), options);
       }},
      {"model_config", {model}, [](const std::string& text) { parse_model_config(Json::parse(text, "fuzz"), "fuzz"); }},
      {"safetensors",
       {with_length(tensors) + std::string(32, '\0')},
       [](const std::string& text) { parse_safetensors_header(text, text.size(), "fuzz"); }},
  };
}

// One to four edits: bytes flipped, doubled or cut out, and the values that break size arithmetic.
std::string mutated(std::string text, CounterRng& rng) {
  static const std::vector<std::string> nasty = {"-1",
                                                 "0",
                                                 "18446744073709551615",
                                                 "9223372036854775808",
                                                 "1e999",
                                                 "[[[[",
                                                 "}",
                                                 "\"",
                                                 "\\u0000",
                                                 "\xff",
                                                 "null",
                                                 "{}",
                                                 "4294967296",
                                                 ": ",
                                                 "&a",
                                                 "*a",
                                                 "!!int",
                                                 "\t"};
  const auto below = [&](size_t n) { return static_cast<size_t>(rng.below(static_cast<uint64_t>(n))); };
  for (size_t edits = 1 + below(4); edits > 0; --edits) {
    const size_t at = text.empty() ? 0 : below(text.size()),
                 length = text.empty() ? 0 : 1 + below(std::min<size_t>(16, text.size() - at));
    switch (below(5)) {
      case 0:
        if (!text.empty()) text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3:
        text.replace(at, length, nasty[below(nasty.size())]);
        break;
      default:
        text.insert(at, nasty[below(nasty.size())]);
    }
  }
  return text;
}

class FullFuzz : public ::testing::TestWithParam<Target> {};

TEST_P(FullFuzz, EveryMutantIsReadOrRefused) {
  constexpr int rounds = 20'000;
  const Target& target = GetParam();
  for (const std::string& seed : target.seeds) EXPECT_NO_THROW(target.read(seed));
  CounterRng rng(1, stream_id(target.name));
  int accepted = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::string text = mutated(target.seeds[static_cast<size_t>(round) % target.seeds.size()], rng);
    try {
      target.read(text);
      ++accepted;
    } catch (const Error& error) {
      ASSERT_NE(std::string(error.what()), "") << "round " << round;
    } catch (const std::exception& error) {
      FAIL() << "round " << round << ": " << error.what() << "\n" << text;
    }
  }
  std::cout << target.name << ": " << accepted << " of " << rounds << " mutants accepted\n";
  EXPECT_GT(accepted, 0);
}

INSTANTIATE_TEST_SUITE_P(Readers, FullFuzz, ::testing::ValuesIn(targets()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace bt
