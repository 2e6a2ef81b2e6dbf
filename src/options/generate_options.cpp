#include "bt/options/generate_options.h"

#include "bt/core/error.h"
#include "machine_options.h"

namespace bt {

void GenerateOptions::fields(OptionFields& f) {
  f.field("model", model, {.help = "Hugging Face folder of the decoder", .required = true});
  f.field("latent", latent, {.help = "folder of a trained latent method; without it the decoder alone"});
  f.field("prompt", prompt, {.help = "text to continue"});
  f.field("input", input, {.help = "JSON Lines instead: {\"prompt\": \"...\"} or {\"ids\": [...]}"});
  f.field("output", output, {.help = "file for JSON Lines; default: standard output"});
  f.field("trace", trace, {.help = "folder for trace.jsonl: rows chosen and size of the rewrite at every boundary"});
  f.field("max_new_tokens", max_new_tokens, {.help = "longest answer", .min = 1, .max = 1 << 20});
  f.field("temperature", temperature, {.help = "0: greedy", .min = 0, .max = 1000});
  f.field("top_k", top_k, {.help = "sample among the k likeliest tokens; 0: all", .min = 0, .max = 1 << 30});
  f.field("top_p", top_p, {.help = "sample from the smallest set of tokens with this share", .min = 0, .max = 1});
  f.field("seed", seed, {.help = "of the sampling", .min = 0});
  f.field("json", json, {.help = "print an object instead of the text"});
  f.field("batch_size", batch_size, {.help = "sequences decoded at once", .min = 1, .max = 1 << 16});
  machine_fields(f, device, dtype, threads);
}

void GenerateOptions::validate() const {
  if (prompt.empty() == input.empty()) {
    fail_usage({.what = prompt.empty() ? "nothing to continue" : "two sources of prompts",
                .where = "command line",
                .expected = "--prompt TEXT or --input FILE.jsonl"});
  }
  check_device(device);
}

void check_files(const GenerateOptions& options) {
  need_file(options.model + "/config.json", "the model's config");
  need_folder(options.latent, "the latent method's folder");
  if (!options.input.empty()) need_file(options.input, "the input");
}

}  // namespace bt
