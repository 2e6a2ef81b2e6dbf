#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/options/method_options.h"

namespace bt {

void SteerOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("layers", layers, {.help = "layers whose input is steered; empty: all", .min = 0});
  f.field("places", places,
          {.help = "tokens that are steered: those where a boundary fires, the step after one (up to its newline), or "
                   "all after the first",
           .choices = {"boundary_token", "next_step", "after"}});
  f.field("direction", direction,
          {.help = "trained, or measured before training: the mean stream of the positive texts less that of the "
                   "negative ones",
           .choices = {"learned", "mean_difference"}});
  f.field("positive", positive, {.help = "mean_difference: JSON Lines, read with data.prompt and data.response"});
  f.field("negative", negative, {.help = "mean_difference: JSON Lines of the texts to steer away from"});
  f.field("measured_on", measured_on,
          {.help = "mean_difference: mean over a text's response, or its last token", .choices = {"response", "last"}});
  f.field("strength", strength, {.help = "mean_difference: the direction is multiplied by it"});
}

void SteerOptions::validate() const {
  if (places != "after" && asks_model(resolved_trigger())) {
    fail_usage({.what = "which tokens are steered must be known before they are fed",
                .where = "latent.places",
                .expected = str("after, with the trigger ", trigger.kind),
                .found = places});
  }
  const bool is_measured = direction == "mean_difference";
  for (const auto& [key, file] : {std::pair{"latent.positive", &positive}, std::pair{"latent.negative", &negative}}) {
    if (is_measured == !file->empty()) continue;
    fail_usage({.what = is_measured ? "a difference of means needs two sets of texts"
                                    : "a learned direction is not measured on texts",
                .where = key,
                .expected = is_measured ? "a JSON Lines file" : "nothing with latent.direction: learned",
                .found = is_measured ? "nothing" : *file});
  }
}

}  // namespace bt
