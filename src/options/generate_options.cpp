#include "bt/options/generate_options.h"

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "machine_options.h"

namespace bt {

void GenerateOptions::fields(OptionFields& f) {
  model_fields(f, place);
  f.field("prompt", prompt, {.help = "text to continue"});
  f.field("input", input, {.help = "JSON Lines instead: {\"prompt\": \"...\"} or {\"ids\": [...]}"});
  f.field("interactive", interactive, {.help = "read prompts from standard input, a line each; Ctrl-C ends an answer"});
  chat_fields(f, place.chat);
  f.field("output", output, {.help = "file for JSON Lines; default: standard output"});
  f.field("trace", trace, {.help = "folder for trace.jsonl: rows chosen and size of the rewrite at every boundary"});
  f.field("max_new_tokens", max_new_tokens, {.help = "longest answer", .min = 1, .max = 1 << 20});
  f.field("stop_token", stop_token, {.help = "ids that end an answer, besides the model's end tokens", .min = 0});
  f.field("repetition_penalty", repetition_penalty,
          {.help = "above 1: tokens of prompt and answer become less likely; 1: none", .min = 1e-3, .max = 1000});
  f.field("temperature", temperature, {.help = "0: greedy", .min = 0, .max = 1000});
  f.field("top_k", top_k, {.help = "sample among the k likeliest tokens; 0: all", .min = 0, .max = 1 << 30});
  f.field("top_p", top_p, {.help = "sample from the smallest set of tokens with this share", .min = 0, .max = 1});
  f.field("min_p", min_p,
          {.help = "leave out tokens less likely than this share of the likeliest", .min = 0, .max = 1});
  f.field("seed", seed, {.help = "of the sampling", .min = 0});
  f.field("json", json, {.help = "print an object instead of the text"});
  f.field("batch_size", batch_size, {.help = "sequences decoded at once", .min = 1, .max = 1 << 16});
  machine_fields(f, place);
}

void GenerateOptions::validate() const {
  const int sources = (prompt.empty() ? 0 : 1) + (input.empty() ? 0 : 1) + (interactive ? 1 : 0);
  if (sources != 1) {
    fail_usage({.what = sources == 0 ? "nothing to continue" : "two sources of prompts",
                .where = "command line",
                .expected = "--prompt TEXT, --input FILE.jsonl or --interactive"});
  }
  if (interactive && (json || !output.empty() || !trace.empty())) {
    fail_usage({.what = "--interactive writes text to standard output alone",
                .where = "command line",
                .expected = "no --json, --output or --trace"});
  }
  check_place(place);
}

void check_files(const GenerateOptions& options) {
  need_model(options.place);
  if (!options.input.empty()) need_file(options.input, "the input");
  if (!options.output.empty()) check_writable_file(options.output);
  if (!options.trace.empty()) check_writable_folder(options.trace);
}

}  // namespace bt
