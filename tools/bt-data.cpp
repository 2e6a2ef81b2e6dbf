// bt-data: synthetic problems, tokenizers, and a look at what a model will be trained on.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/data/dataset.h"
#include "bt/data/inspect.h"
#include "bt/data/problems.h"
#include "bt/data/tokenize.h"
#include "bt/options/train_options.h"
#include "tools/command_line.h"
#include "tools/launcher.h"

namespace {

using namespace bt;

// `-` stands for standard output.
void write_output(const std::string& path, const std::string& text) {
  path == "-" ? print(text) : write_file_atomically(path, text);
}

struct Make {
  ProblemOptions options;
  int64_t count = 0;
  uint64_t seed = 0;
  std::string out, split = "all", shift = "id";

  void declare(CLI::App& app) {
    app.add_option("--problems", count, "how many")->required()->transform(tools::in_range<int64_t>(1));
    app.add_option("--seed", seed, "another seed, other problems");
    app.add_option("--out", out, "JSON Lines file to write; - for standard output")->required();
    app.add_option("--split", split, "all, or train, validation, test: shares that never have a problem in common");
    app.add_option("--shift", shift, "id, or harder than the options say: longer, larger, distractors");
    app.add_option("--min-steps", options.min_steps, "facts to combine, at least")->capture_default_str();
    app.add_option("--max-steps", options.max_steps, "facts to combine, at most")->capture_default_str();
    app.add_option("--max-value", options.max_value, "greatest value")->capture_default_str();
    app.add_option("--max-operand", options.max_operand, "greatest number added or taken")->capture_default_str();
    app.add_option("--two-operand-rate", options.two_operand_rate, "share of facts that recall an earlier result")
        ->capture_default_str()
        ->transform(tools::in_range<double>(0, 1));
    app.add_flag_callback(
        "--near", [this] { options.far = false; }, "an earlier result is the one before the latest, not any");
    app.add_flag("--multiply", options.multiply, "\"twice as many as\" too");
    app.add_flag("--verbose-steps", options.verbose, "steps show their sum");
    app.add_option("--distractors", options.distractors, "facts that lead nowhere")->capture_default_str();
    app.add_option("--names", options.names, "names to draw from")->capture_default_str();
  }

  void run() const {
    const auto problems = make_problems(shifted_problems(options, shift), seed, count, split);
    write_output(out, problems_jsonl(problems));
    log::info(str("wrote ", problems.size(), " problems to ", out == "-" ? "standard output" : out));
  }
};

struct Tokenize {
  TokenizeOptions options;
  std::string tokenizer, input, output;

  void declare(CLI::App& app) {
    app.add_option("--tokenizer", tokenizer, "folder or file of a tokenizer, or `bytes`")->required();
    app.add_option("--input", input, "JSON Lines: {\"text\": …} or {\"ids\": […]}")->required();
    app.add_option("--output", output, "the same lines with ids and decoded; - for standard output")->required();
    app.add_flag("--special", options.add_special, "add what the post-processor adds (BOS/EOS)");
    app.add_flag("--skip-special", options.skip_special, "leave special tokens out of decoded");
  }

  void run() const { write_output(output, tokenize_records(input, *load_tokenizer(tokenizer), options)); }
};

struct TrainTokenizer {
  TokenizerTraining options;
  std::vector<std::string> inputs;
  std::string out, text = "{question}\n{answer}";
  bool problem_vocabulary = false;

  void declare(CLI::App& app) {
    app.add_option("--input", inputs, "JSON Lines files, or text files read line by line")->required();
    app.add_option("--out", out, "folder, or a file ending in .model")->required();
    app.add_option("--vocab-size", options.vocab_size, "entries at most, special tokens and bytes included")
        ->required();
    app.add_option("--text", text, "template of a record's text")->capture_default_str();
    app.add_option("--model-type", options.model_type, "bpe or unigram")->capture_default_str();
    app.add_flag_callback(
        "--no-byte-fallback", [this] { options.byte_fallback = false; },
        "no byte pieces: for fewer than about 300 entries");
    app.add_option("--word", options.words, "text that is one token wherever it occurs; repeatable");
    app.add_flag("--problem-words", problem_vocabulary, "the words of `bt-data make` are one token each");
    app.add_option("--seed", options.seed, "of SentencePiece's generator");
  }

  std::filesystem::path model_path() const {
    const std::filesystem::path path = out;
    if (path.extension() == ".model") return path;
    make_folders(out);
    return path / "tokenizer.model";
  }

  void run() {
    if (problem_vocabulary) options.words.insert(options.words.end(), problem_words().begin(), problem_words().end());
    const std::vector<std::string> texts = training_texts(inputs, text);
    const std::string path = model_path();
    train_sentencepiece(texts, options, path);
    const auto tokenizer = load_tokenizer(path);
    size_t tokens = 0;
    for (const std::string& sample : texts) tokens += tokenizer->encode(sample).size();
    print(str(path, ": ", tokenizer->vocab_size(), " entries, ",
              static_cast<double>(tokens) / static_cast<double>(texts.size()), " tokens a text\n"));
  }
};

struct Inspect {
  std::string config;
  int64_t examples = 3;
  bool validation = false;

  void declare(CLI::App& app) {
    app.add_option("config", config, "YAML file of a run")->required();
    app.add_option("--examples", examples, "examples to show")->capture_default_str();
    app.add_flag("--validation", validation, "the validation files instead of the training files");
    app.allow_extras();  // key.path=value
  }

  void run(const std::vector<std::string>& overrides) const {
    ExperimentOptions experiment;
    read_options(read_config(config, overrides), experiment);
    const auto tokenizer = load_tokenizer(experiment.model.tokenizer_path());
    const auto& files = validation ? experiment.data.validation : experiment.data.train;
    const Dataset dataset = load_dataset(experiment.data.spec(files), *tokenizer);
    // Plain fine-tuning has no boundaries of its own: show those of the default trigger.
    const TriggerOptions trigger = experiment.latent ? experiment.trigger() : TriggerOptions{};
    print(inspect_dataset(dataset, *tokenizer, trigger, examples));
  }
};

// What every tool of the project takes.
struct CommonFlags {
  std::string log_level = "info", device = "cpu", dtype = "float32";
  int threads = 1;

  void declare(CLI::App& app) {
    app.add_option("--log-level", log_level, "debug, info, warning, error or off")->capture_default_str();
    app.add_option("--threads", threads, "accepted as in the other tools; one thread is used")->group("");
    app.add_option("--device", device, "accepted as in the other tools; the CPU is used")->group("");
    app.add_option("--dtype", dtype, "accepted as in the other tools; no effect")->group("");
  }

  void apply() const {
    log::Level level = log::Level::info;
    if (!log::parse_level(log_level, level)) {
      fail_usage({.what = "unknown log level", .expected = "debug, info, warning, error or off", .found = log_level});
    }
    log::set_level(level);
  }
};

constexpr char kExamples[] = R"(Examples:
  bt-data make --problems 3000 --seed 1 --split train --out train.jsonl
  bt-data make --problems 500 --split test --shift longer --out longer.jsonl
  bt-data train-tokenizer --input train.jsonl --vocab-size 96 --no-byte-fallback --problem-words --out tokenizer
  bt-data tokenize --tokenizer tokenizer --input texts.jsonl --output ids.jsonl
  bt-data inspect run.yaml data.max_tokens=256 --examples 5

Exit codes: 0 done, 2 usage or config, 3 bad file, 6 cannot read or write.)";

int run_tool(int argc, char** argv) {
  CLI::App app("Makes synthetic problems, trains and runs tokenizers, shows what a model will be trained on.",
               "bt-data");
  app.require_subcommand(1);
  app.set_version_flag("--version", tools::version_text("bt-data"));
  app.footer(kExamples);
  CommonFlags common;
  Make make;
  Tokenize tokenize;
  TrainTokenizer train_tokenizer;
  Inspect inspect;
  CLI::App* make_app = app.add_subcommand("make", "synthetic multi-step problems in GSM8K's fields");
  CLI::App* tokenize_app = app.add_subcommand("tokenize", "texts to ids and back");
  CLI::App* train_app = app.add_subcommand("train-tokenizer", "a SentencePiece model with a newline token");
  CLI::App* inspect_app = app.add_subcommand("inspect", "examples with loss mask and steps; lengths and steps counted");
  make.declare(*make_app);
  tokenize.declare(*tokenize_app);
  train_tokenizer.declare(*train_app);
  inspect.declare(*inspect_app);
  for (CLI::App* each : {&app, make_app, tokenize_app, train_app, inspect_app}) common.declare(*each);
  if (const std::optional<int> answered = tools::parse(app, argc, argv)) return *answered;
  common.apply();
  if (*make_app) make.run();
  if (*tokenize_app) tokenize.run();
  if (*train_app) train_tokenizer.run();
  if (*inspect_app) inspect.run(inspect_app->remaining());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return bt::tools::guarded("bt-data", [&] { return run_tool(argc, argv); });
}
