#include "bt/options/method_options.h"

namespace bt {

void SteerOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("layers", layers, {.help = "layers whose input is steered; empty: all", .min = 0});
}

}  // namespace bt
