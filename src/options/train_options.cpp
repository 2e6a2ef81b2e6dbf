#include "bt/options/train_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {

void DataOptions::fields(OptionFields& f) {
  f.field("train", train,
          {.help = "files to train on: JSON Lines, or .txt as one record with the field text", .required = true});
  f.field("validation", validation, {.help = "held-out files"});
  f.field("prompt", prompt, {.help = "prompt template: {key} stands for an example's field"});
  f.field("response", response, {.help = "response template"});
  f.field("strip_calculator", strip_calculator, {.help = "remove GSM8K's <<48/2=24>> annotations"});
  f.field("add_bos", add_bos, {.help = "put the tokenizer's BOS in front of every example"});
  f.field("max_tokens", max_tokens, {.help = "longest example, in tokens", .min = 2, .max = 1 << 24});
  f.field("too_long", too_long,
          {.help = "what becomes of longer ones; split: several examples, where data.prompt is empty",
           .choices = {"drop", "truncate", "split"}});
  f.field("answer_only", answer_only, {.help = "the loss counts the response, not the prompt"});
  f.field("length_window", length_window,
          {.help = "batches among which examples are grouped by length; 0: none", .min = 0});
}

void DataOptions::validate() const {
  if (train.empty()) {
    fail_usage({.what = "training without a training file",
                .where = "data.train",
                .expected = "at least one file",
                .found = "an empty list"});
  }
}

DatasetSpec DataOptions::spec(const std::vector<std::string>& files) const {
  return {.files = files,
          .prompt = prompt,
          .response = response,
          .strip_calculator = strip_calculator,
          .answer_only = answer_only,
          .add_bos = add_bos,
          .max_tokens = max_tokens,
          .too_long = too_long};
}

void TrainOptions::fields(OptionFields& f) {
  f.field("steps", steps,
          {.help = "optimiser steps; or give epochs; 0: for a method without parameters alone", .min = 0});
  f.field("epochs", epochs, {.help = "passes over the training data; 1 where steps is absent too", .min = 0});
  f.field("batch_size", batch_size, {.help = "sequences of one forward pass", .min = 1, .max = 1 << 20});
  f.field("accumulate", accumulate, {.help = "forward passes of one step", .min = 1, .max = 1 << 20});
  f.field("lr", lr, {.help = "peak learning rate", .min = 0});
  f.field("weight_decay", weight_decay, {.help = "decoupled; not on gates, norms and embeddings", .min = 0});
  f.field("betas", betas, {.help = "AdamW's averaging factors", .min = 0, .max = 1});
  f.field("eps", eps, {.help = "AdamW's epsilon", .min = 1e-30});
  f.field("schedule", schedule, {.help = "learning rate after the warm-up", .choices = {"cosine", "constant"}});
  f.field("warmup_steps", warmup_steps, {.help = "steps of linear warm-up", .min = 0});
  f.field("final_lr_ratio", final_lr_ratio, {.help = "cosine: last rate relative to lr", .min = 0, .max = 1});
  f.field("clip_norm", clip_norm, {.help = "greatest norm of the gradient; 0: no clipping", .min = 0});
  f.field("bptt_steps", bptt_steps, {.help = "boundaries between two cuts of the cache's graph, or full"});
  f.field("order", order,
          {.help = "layer_major is fast, step_major the plain reference", .choices = {"layer_major", "step_major"}});
  f.field("on_nonfinite", on_nonfinite, {.help = "when a loss or gradient is not finite", .choices = {"stop", "skip"}});
  f.field("skip_limit", skip_limit, {.help = "skip: this many skipped steps in a row stop the run", .min = 1});
  f.field("validate_every", validate_every, {.help = "steps between validations; 0: at the end only", .min = 0});
  f.field("validate_examples", validate_examples, {.help = "examples of a validation; 0: all", .min = 0});
}

void TrainOptions::validate() const {
  if (steps && epochs) {
    fail_usage({.what = "steps and epochs are both given",
                .where = "train.steps",
                .expected = "one of them",
                .found = str("steps: ", *steps, ", epochs: ", *epochs),
                .next_step = "remove one of them"});
  }
  if (epochs && *epochs <= 0) {
    fail_usage({.what = "a run of no length",
                .where = "train.epochs",
                .expected = "a positive number",
                .found = str(*epochs)});
  }
  if (betas.size() != 2 || betas[0] >= 1 || betas[1] >= 1) {
    fail_usage({.what = "AdamW takes two averaging factors",
                .where = "train.betas",
                .expected = "two numbers in [0, 1)",
                .found = str(betas.size(), " numbers, or 1 among them")});
  }
  boundaries_per_graph();
}

int64_t TrainOptions::boundaries_per_graph() const {
  if (bptt_steps == "full") return 0;
  int64_t count = 0;
  const char* end = bptt_steps.data() + bptt_steps.size();
  const auto [rest, failure] = std::from_chars(bptt_steps.data(), end, count);
  if (failure != std::errc{} || rest != end || count < 1) {
    fail_usage({.what = "not a number of boundaries",
                .where = "train.bptt_steps",
                .expected = "an integer of at least 1, or full",
                .found = bptt_steps});
  }
  return count;
}

int64_t TrainOptions::total_steps(int64_t examples) const {
  if (steps) return *steps;
  const int64_t per_step = checked_mul(batch_size, accumulate, "train.batch_size * train.accumulate");
  const double count = epochs.value_or(1) * static_cast<double>(examples) / static_cast<double>(per_step);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(std::min(count, 1e15))));
}

}  // namespace bt
