#include "bt/options/method_options.h"

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {

void RowChoiceOptions::recent_fields(OptionFields& f) {
  f.field("recent", recent, {.help = "R: newest rows that are rewritten, and vote on what is recalled", .min = 1});
  f.field("window", window,
          {.help = "newest rows of the step just written, or of the whole text", .choices = {"step", "recent"}});
  f.field("rewrite_recent", rewrite_recent, {.help = "false: recent rows only vote on what is recalled"});
}

void RowChoiceOptions::recall_fields(OptionFields& f) {
  f.field("recall", recall, {.help = "K: earlier rows that are rewritten; 0: none", .min = 0});
  f.field("recall_by", recall_by,
          {.help = "which earlier rows: greatest attention mass, chance, or newest",
           .choices = {"mass", "random", "newest"}});
  f.field("recall_exclude_first", recall_exclude_first,
          {.help = "first rows of a sequence that are never recalled (attention sinks)", .min = 0});
  f.field("recall_share", recall_share,
          {.help = "recall the fewest rows that hold this share of the earlier rows' mass, at most K; 0: always K",
           .min = 0,
           .max = 1});
  f.field("recall_diversity", recall_diversity,
          {.help = "one row after another, by mass (of the greatest) less this times its greatest cosine to a key "
                   "recalled already; 0: by mass alone",
           .min = 0});
}

void RowChoiceOptions::validate() const {
  if (recall_by != "mass" && (recall_share > 0 || recall_diversity > 0)) {
    fail_usage({.what = "a share of the mass and diversity need recall by mass",
                .where = "latent.recall_by",
                .expected = "mass",
                .found = recall_by});
  }
  if (!rewrite_recent && recall == 0) {
    fail_usage({.what = "no row is rewritten",
                .where = "latent.recall",
                .expected = "at least 1 with latent.rewrite_recent: false",
                .found = "0"});
  }
}

namespace {

void gate_fields(OptionFields& f, double& gate_init, double& gate_lr_multiplier, double& out_deviation) {
  f.field("gate_init", gate_init, {.help = "initial logit of a layer's gate"});
  f.field("gate_lr_multiplier", gate_lr_multiplier,
          {.help = "learning rate of the gates relative to the rest", .min = 0});
  f.field("out_deviation", out_deviation, {.help = "standard deviation of the initial output weights", .min = 0});
}

}  // namespace

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
  rows.recent_fields(f);
  if (recalls_) rows.recall_fields(f);
  f.field("width", width, {.help = "P: width of the processor", .min = 1});
  f.field("heads", heads, {.help = "attention heads of the processor", .min = 1});
  f.field("feed_forward", feed_forward, {.help = "width of the processor's gated feed-forward", .min = 1});
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

void ConstantRewriteOptions::fields(OptionFields& f) {
  common_fields(f);
  rows.recent_fields(f);
  rows.recall_fields(f);
  gate_fields(f, gate_init, gate_lr_multiplier, out_deviation);
}

void ConstantRewriteOptions::validate() const { rows.validate(); }

void MeanShiftOptions::fields(OptionFields& f) {
  common_fields(f);
  rows.recent_fields(f);
  rows.recall_fields(f);
  f.field("strength", strength, {.help = "share of the way to the mean", .min = 0, .max = 1});
}

void MeanShiftOptions::validate() const { rows.validate(); }

void LoraOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("rank", rank, {.help = "rank of the adapters", .min = 1});
  f.field("alpha", alpha, {.help = "the adapters' output is scaled by alpha / rank", .min = 0});
  f.field("targets", targets,
          {.help = "projections that get an adapter", .choices = {"q", "k", "v", "o", "gate", "up", "down"}});
}

void LoraOptions::validate() const {
  if (targets.empty()) {
    fail_usage({.what = "LoRA without a projection to adapt",
                .where = "latent.targets",
                .expected = "at least one of q, k, v, o, gate, up, down",
                .found = "an empty list"});
  }
}

void PauseOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("count", count, {.help = "embeddings appended at a boundary", .min = 1});
  f.field("train_backbone", train_backbone, {.help = "train the backbone together with the embeddings"});
  f.field("deviation", deviation, {.help = "standard deviation of the initial embeddings", .min = 0});
}

void RolloutOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("latents", latents, {.help = "hidden states appended at a boundary, one after the other", .min = 1});
  f.field("train_backbone", train_backbone, {.help = "false: the frozen backbone; only the latents' scale is trained"});
  f.field("stage_steps", stage_steps,
          {.help = "training steps of a stage: stage s drops an answer's first s steps and has s * latents_per_step "
                   "latents; 0: all latents and whole answers from the first step on",
           .min = 0});
  f.field("latents_per_step", latents_per_step, {.help = "latents in place of a dropped step", .min = 1});
}

void RolloutOptions::validate() const {
  if (stage_steps > 0 && latents % latents_per_step != 0) {
    fail_usage({.what = "the last stage does not come out even",
                .where = "latent.latents",
                .expected = str("a multiple of latent.latents_per_step = ", latents_per_step),
                .found = str(latents)});
  }
  if (rewrite_at == "before_newline") {
    fail_usage({.what = "a hidden state to go on from is that of the boundary token",
                .where = "latent.rewrite_at",
                .expected = "after_newline",
                .found = rewrite_at});
  }
}

void SteerOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("layers", layers, {.help = "layers whose input is steered; empty: all", .min = 0});
}

void EvictOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("keep", keep, {.help = "rows kept per layer besides the recent ones", .min = 0});
  f.field("recent", recent, {.help = "newest rows, which are always kept", .min = 1});
}

}  // namespace bt
