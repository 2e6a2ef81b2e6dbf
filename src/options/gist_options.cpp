#include "bt/options/method_options.h"

namespace bt {

void GistOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("rows", rows, {.help = "M: rows per layer that a step is merged into", .min = 1, .max = 1 << 20});
  f.field("recent", recent, {.help = "newest queries of the step that vote on its rows' weights", .min = 1});
}

}  // namespace bt
