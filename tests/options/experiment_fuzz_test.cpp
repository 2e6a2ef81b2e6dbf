// Mutants of a run's YAML file against the parser and the options.
#include "bt/core/config_node.h"
#include "bt/options/train_options.h"
#include "support/fuzzing.h"

namespace bt {
namespace {

testing::FuzzTarget experiment() {
  const std::string flow =
      "run: {out: x, seed: 3}\nmodel: {path: m}\ndata: {train: [a.jsonl, \"b\"]}\ntrain: {steps: 10, betas: [0.9, "
      "0.95]}\n";
  const std::string sizes =
      "run: {out: x}\nmodel: {tokenizer: t, hidden_size: 64, intermediate_size: 96, layers: 2, heads: 4}\n"
      "data: {train: [a]}\nlatent:\n  method: bt\n  recall: 4\n  width: 32 # comment\n";
  const std::string block =
      "run:\n  out: 'y'\nmodel:\n  path: m\nlatent:\n  method: lora\n  rank: 4\n"
      "data:\n  train:\n    - a.jsonl\n  prompt: |\n    {question}\n    A:\n";
  const std::string lists =
      "run:\n  out: y\nmodel:\n  path: m\ndata:\n  train: [a]\n"
      "train:\n  lr: 1e-3\n  epochs: 2.5\n  bptt_steps: full\n  betas:\n    - 0.9\n    - 0.95\n";
  return {.name = "experiment",
          .seeds = {flow, sizes, block, lists},
          .read =
              [](const std::string& text, testing::StageCounts& stages) {
                const ConfigNode node = parse_yaml(text, "fuzz");
                stages.reach("yaml");
                ExperimentOptions options;
                read_options(node, options);
                stages.reach("options");
                ExperimentOptions again;
                read_options(parse_yaml(write_options_yaml(options), "written"), again);
                EXPECT_EQ(write_options_yaml(again), write_options_yaml(options)) << text;
              },
          .floors = {{"yaml", 0.5}, {"options", 0.05}},
          .refusal = ExitCode::usage};
}

TEST(Fuzz, ExperimentYaml) { testing::fuzz(experiment(), 2'000); }
TEST(FullFuzz, ExperimentYaml) { testing::fuzz(experiment(), 50'000); }

}  // namespace
}  // namespace bt
