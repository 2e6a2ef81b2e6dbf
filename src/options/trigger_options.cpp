#include "bt/core/error.h"
#include "bt/options/method_options.h"

namespace bt {

void TriggerConfig::fields(OptionFields& f) {
  f.field("kind", kind,
          {.help = "what ends a step", .choices = {"newline", "every_n", "tokens", "entropy", "surprise", "none"}});
  f.field("every_n", every_n, {.help = "every_n: tokens per step", .min = 1});
  f.field("token_ids", token_ids, {.help = "tokens: ids that end a step", .min = 0, .max = 2147483647});
  f.field("threshold", threshold,
          {.help = "entropy, surprise: nats that end a step. Entropy is that of the prediction after a token, surprise "
                   "that of the token itself",
           .min = 0});
  f.field("boundaries", boundaries,
          {.help = "entropy, surprise of given texts: by the backbone alone, once before training; or by the model as "
                   "it runs with the method, decoding every text token by token",
           .choices = {"precomputed", "live"}});
  f.field("min_step_tokens", min_step_tokens, {.help = "tokens with a visible character a step needs", .min = 0});
  f.field("at_prompt_end", at_prompt_end, {.help = "the end of the prompt is a boundary"});
  f.field("inside_prompt", inside_prompt, {.help = "newlines inside the prompt are boundaries too"});
  f.field("max_calls", max_calls, {.help = "boundaries acted on per sequence; 0: no limit", .min = 0});
}

void TriggerConfig::validate() const {
  if (kind == "tokens" && token_ids.empty()) {
    fail_usage({.what = "trigger.kind is tokens, but there are none",
                .where = "latent.trigger.token_ids",
                .expected = "the ids that end a step",
                .found = "an empty list",
                .next_step = "list the ids, or use trigger.kind: newline"});
  }
}

TriggerOptions TriggerConfig::resolve(bool before_boundary_token) const {
  return {.kind = kind,
          .every_n = every_n,
          .token_ids = {token_ids.begin(), token_ids.end()},
          .threshold = threshold,
          .live = boundaries == "live",
          .min_step_tokens = min_step_tokens,
          .at_prompt_end = at_prompt_end,
          .inside_prompt = inside_prompt,
          .max_calls = max_calls,
          .before_boundary_token = before_boundary_token};
}

void MethodOptions::common_fields(OptionFields& f) {
  f.group("trigger", trigger, "when the method acts");
  f.field(
      "rewrite_at", rewrite_at,
      {.help = "before or after the boundary token enters the cache", .choices = {"after_newline", "before_newline"}});
}

TriggerOptions MethodOptions::resolved_trigger() const {
  TriggerOptions resolved = trigger.resolve(rewrite_at == "before_newline");
  resolved.lag = rewrite_lag;
  return resolved;
}

}  // namespace bt
