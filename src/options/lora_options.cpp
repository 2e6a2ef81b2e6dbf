#include "adapter_targets.h"
#include "bt/options/method_options.h"

namespace bt {

void LoraOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("rank", rank, {.help = "rank of the adapters", .min = 1, .max = 1 << 20});
  f.field("alpha", alpha, {.help = "the adapters' output is scaled by alpha / rank", .min = 0});
  f.field("targets", targets,
          {.help = "projections that get an adapter", .choices = {"q", "k", "v", "o", "gate", "up", "down"}});
}

void LoraOptions::validate() const { check_targets(targets, "LoRA without a projection to adapt"); }

}  // namespace bt
