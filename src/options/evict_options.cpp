#include "bt/options/method_options.h"

namespace bt {

void EvictOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("keep", keep, {.help = "rows kept per layer besides the recent ones", .min = 0});
  f.field("recent", recent, {.help = "newest rows, which are always kept", .min = 1});
}

}  // namespace bt
