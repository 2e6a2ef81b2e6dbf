#include "bt/options/method_options.h"

namespace bt {

void MeanShiftOptions::fields(OptionFields& f) {
  common_fields(f);
  rows.recent_fields(f);
  rows.recall_fields(f);
  f.field("strength", strength, {.help = "share of the way to the mean", .min = 0, .max = 1});
}

void MeanShiftOptions::validate() const { rows.validate(); }

}  // namespace bt
