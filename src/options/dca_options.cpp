#include "adapter_targets.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/options/method_options.h"

namespace bt {

void DcaOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("latents", latents, {.help = "N: embeddings appended at a boundary", .min = 1, .max = 1 << 16});
  f.field("ahead", ahead, {.help = "A: tokens predicted after the latents in training", .min = 1, .max = 1 << 16});
  f.field("places", places, {.help = "M: places of augmentation in every text of a training pass", .min = 1});
  f.field(
      "positions", positions,
      {.help = "tokens after the latents count on from them, or as if there were none", .choices = {"shift", "keep"}});
  f.field("train_lag", train_lag,
          {.help = "[least, most] tokens by which latents come late in training, drawn for every place",
           .min = 0,
           .max = 1 << 20});
  f.field("asynchronous", asynchronous,
          {.help = "generation goes on while latents are computed; scoring takes them at the boundary"});
  f.field(
      "join_after", join_after,
      {.help = "asynchronous: tokens after the boundary at which latents join, waited for; -1: when they are ready, "
               "which differs from run to run",
       .min = -1});
  f.field("coprocessor", coprocessor,
          {.help = "a copy of the backbone, all trained; adapters on it; or layers of its own from scratch",
           .choices = {"copy", "lora", "scratch"}});
  f.field("rank", rank, {.help = "lora: rank of the adapters", .min = 1, .max = 1 << 20});
  f.field("alpha", alpha, {.help = "lora: the adapters' output is scaled by alpha / rank", .min = 0});
  f.field("targets", targets,
          {.help = "lora: projections that get an adapter", .choices = {"q", "k", "v", "o", "gate", "up", "down"}});
  f.field("width", width, {.help = "scratch: width; default: the backbone's", .min = 1, .max = 1 << 20});
  f.field("feed_forward", feed_forward,
          {.help = "scratch: width of the feed-forward; default: the backbone's", .min = 1, .max = 1 << 20});
  f.field("heads", heads, {.help = "scratch: query heads; default: the backbone's", .min = 1, .max = 4096});
  f.field("deviation", deviation, {.help = "standard deviation of the initial soft tokens", .min = 0});
  f.field("calls", calls,
          {.help = "call at every boundary, or where the gain expected from the decoder's last state reaches call_cost",
           .choices = {"always", "learned"}});
  f.field("call_cost", call_cost, {.help = "learned calls: what one must gain, in nats per token ahead", .min = 0});
}

void DcaOptions::validate() const {
  if (train_lag.size() != 2 || train_lag[0] > train_lag[1]) {
    fail_usage({.what = "the lags of training are not a range",
                .where = "latent.train_lag",
                .expected = "[least, most] with least <= most",
                .found = train_lag.size() == 2 ? str("[", train_lag[0], ", ", train_lag[1], "]")
                                               : str(train_lag.size(), " numbers")});
  }
  if (coprocessor == "lora") check_targets(targets, "adapters without a projection to adapt");
  if (calls == "always" && call_cost != 0) {
    fail_usage({.what = "a cost of calls without a gate that could skip them",
                .where = "latent.call_cost",
                .expected = "0, or latent.calls: learned",
                .found = str(call_cost)});
  }
}

ModelConfig DcaOptions::coprocessor_config(ModelConfig config) const {
  if (coprocessor != "scratch") return config;
  config.hidden_size = width.value_or(config.hidden_size);
  config.intermediate_size = feed_forward.value_or(config.intermediate_size);
  config.heads = heads.value_or(config.heads);
  if (config.heads % config.kv_heads != 0) {
    fail_usage({.what = "the coprocessor's query heads do not share the backbone's key/value heads evenly",
                .where = "latent.heads",
                .expected = str("a multiple of ", config.kv_heads),
                .found = str(config.heads)});
  }
  return config;
}

}  // namespace bt
