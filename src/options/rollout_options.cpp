#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/options/method_options.h"

namespace bt {

void RolloutOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("latents", latents,
          {.help = "hidden states appended at a boundary, one after the other", .min = 1, .max = 1 << 16});
  f.field("train_backbone", train_backbone, {.help = "false: the frozen backbone; only the latents' scale is trained"});
  f.field("stage_steps", stage_steps,
          {.help = "training steps of a stage: stage s drops an answer's first s steps and has s * latents_per_step "
                   "latents; 0: all latents and whole answers from the first step on",
           .min = 0});
  f.field("latents_per_step", latents_per_step,
          {.help = "latents in place of a dropped step", .min = 1, .max = 1 << 16});
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

}  // namespace bt
