// Options of a learned rewrite's gates and of its output weights, shared by the methods that have them.
#pragma once

#include "bt/core/option_fields.h"

namespace bt {

void gate_fields(OptionFields& f, double& gate_init, double& gate_lr_multiplier, double& out_deviation);

}  // namespace bt
