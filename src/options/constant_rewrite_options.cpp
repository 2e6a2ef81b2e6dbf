#include "bt/options/method_options.h"
#include "gate_fields.h"

namespace bt {

void ConstantRewriteOptions::fields(OptionFields& f) {
  common_fields(f);
  rows.recent_fields(f);
  rows.recall_fields(f);
  gate_fields(f, gate_init, gate_lr_multiplier, out_deviation);
}

void ConstantRewriteOptions::validate() const { rows.validate(); }

}  // namespace bt
