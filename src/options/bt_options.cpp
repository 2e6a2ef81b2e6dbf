#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/options/method_options.h"
#include "gate_fields.h"

namespace bt {

void BtOptions::apply_preset() {
  if (preset == applied_preset_) return;
  const bool paper = preset == "paper";
  if (recalls_) rows.recall = 32;
  rows.recent = 64;
  kv_scale = paper ? "none" : "calibrated";
  processor_rope = !paper;
  kind_embedding = !paper;
  applied_preset_ = preset;
}

void BtOptions::fields(OptionFields& f) {
  f.field("preset", preset, {.help = "defaults of the keys below: ours, or the paper's", .choices = {"bt", "paper"}});
  apply_preset();
  common_fields(f);
  f.field("rewrite_lag", rewrite_lag,
          {.help = "tokens that are read from the old cache before a rewrite lands, as if it were computed beside "
                   "decoding; steps shorter than that go on into the next",
           .min = 0,
           .max = 1 << 20});
  rows.recent_fields(f);
  if (recalls_) rows.recall_fields(f);
  f.field("width", width, {.help = "P: width of the processor", .min = 1, .max = 1 << 20});
  f.field("heads", heads, {.help = "attention heads of the processor", .min = 1, .max = 1 << 20});
  f.field("feed_forward", feed_forward,
          {.help = "width of the processor's gated feed-forward", .min = 1, .max = 1 << 20});
  f.field("kv_scale", kv_scale,
          {.help = "divide keys and values by their RMS, measured before training", .choices = {"calibrated", "none"}});
  f.field("key_frame", key_frame,
          {.help = "keys as cached, or with their rotation undone", .choices = {"rotated", "unrotated"}});
  f.field("processor_rope", processor_rope, {.help = "rotary positions inside the processor"});
  f.field("kind_embedding", kind_embedding, {.help = "tell recent rows from recalled ones"});
  f.field("causal", causal, {.help = "control: rows of the processor see earlier rows only"});
  f.field("rewrites", rewrites, {.help = "what of an entry changes", .choices = {"both", "values", "keys"}});
  f.field("gates", gates,
          {.help = "one gate a layer, or one for the keys and one for the values of every head",
           .choices = {"layer", "head"}});
  f.field("share_layers", share_layers, {.help = "one block for all layers; gates stay apart"});
  f.field("train_backbone", train_backbone, {.help = "train the backbone together with the processor"});
  f.field("calls", calls,
          {.help = "act at every boundary, or where a layer's learned probability, read off the newest row, is a half",
           .choices = {"always", "learned"}});
  f.field("call_cost", call_cost,
          {.help = "learned calls: added to the loss, times the mean probability of a call", .min = 0});
  f.field("call_init", call_init, {.help = "learned calls: initial logit"});
  gate_fields(f, gate_init, gate_lr_multiplier, out_deviation);
}

void BtOptions::validate() const {
  rows.validate();
  if (width % heads != 0) {
    fail_usage({.what = "the processor's width is not divisible by its heads",
                .where = "latent.heads",
                .expected = str("a divisor of latent.width = ", width),
                .found = str(heads)});
  }
  if (processor_rope && (width / heads) % 2 != 0) {
    fail_usage({.what = "rotary positions need an even head width",
                .where = "latent.heads",
                .expected = "latent.width / latent.heads even",
                .found = str(width / heads),
                .next_step = "change latent.heads, or set latent.processor_rope: false"});
  }
}

}  // namespace bt
