#include "bt/core/error.h"
#include "bt/options/train_options.h"

namespace bt {
namespace {

bool is_device(std::string_view name) {
  if (name == "auto" || name == "cpu" || name == "cuda") return true;
  if (!name.starts_with("cuda:") || name.size() == 5 || name.size() > 8) return false;
  return name.find_first_not_of("0123456789", 5) == std::string_view::npos;
}

}  // namespace

void RunOptions::fields(OptionFields& f) {
  f.field("name", name, {.help = "label of the run in logs and reports"});
  f.field("out", out, {.help = "folder that the run writes to", .required = true});
  f.field("seed", seed, {.help = "of initial weights, data order and places drawn in texts", .min = 0});
  f.field("threads", threads, {.help = "CPU threads; 0: one per core", .min = 0, .max = 1024});
  f.field("device", device, {.help = "cpu, cuda, cuda:N or auto (a GPU where there is one)"});
  f.field("dtype", dtype,
          {.help = "of weights and computation; bfloat16: what is trained has float32 master weights",
           .choices = {"float32", "float64", "bfloat16"}});
  f.field("plugins", plugins, {.help = "shared libraries that add methods"});
}

void RunOptions::validate() const {
  if (out.empty()) {
    fail_usage(
        {.what = "the run has no folder to write to", .where = "run.out", .expected = "a path", .found = "\"\""});
  }
  if (!is_device(device)) {
    fail_usage(
        {.what = "unknown device", .where = "run.device", .expected = "cpu, cuda, cuda:N or auto", .found = device});
  }
}

void CheckpointOptions::fields(OptionFields& f) {
  f.field("every", every, {.help = "steps between checkpoints; 0: at the end only", .min = 0});
  f.field("keep_last", keep_last, {.help = "checkpoints kept", .min = 1});
  f.field("keep_best", keep_best, {.help = "write best/ whenever the validation loss improves"});
}

void LogOptions::fields(OptionFields& f) {
  f.field("every", every, {.help = "steps between two lines of metrics.jsonl", .min = 1});
  f.field("tensorboard", tensorboard, {.help = "write TensorBoard event files too"});
}

}  // namespace bt
