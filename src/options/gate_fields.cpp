#include "gate_fields.h"

namespace bt {

void gate_fields(OptionFields& f, double& gate_init, double& gate_lr_multiplier, double& out_deviation) {
  f.field("gate_init", gate_init, {.help = "initial logit of a layer's gate"});
  f.field("gate_lr_multiplier", gate_lr_multiplier,
          {.help = "learning rate of the gates relative to the rest", .min = 0});
  f.field("out_deviation", out_deviation, {.help = "standard deviation of the initial output weights", .min = 0});
}

}  // namespace bt
