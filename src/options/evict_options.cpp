#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/options/method_options.h"

namespace bt {

void EvictOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("keep", keep, {.help = "rows kept per layer besides the recent ones", .min = 0});
  f.field("recent", recent, {.help = "newest rows, which are always kept, and whose queries vote", .min = 1});
  f.field("pool", pool,
          {.help = "an earlier row's mass is pooled over this many neighbours, itself in the middle; 1: its own",
           .min = 1,
           .max = 1 << 16});
  f.field("pool_by", pool_by, {.help = "how it is pooled", .choices = {"mean", "max"}});
}

void EvictOptions::validate() const {
  if (pool % 2 == 1) return;
  fail_usage({.what = "a row is not in the middle of its neighbours",
              .where = "latent.pool",
              .expected = "an odd number",
              .found = str(pool)});
}

}  // namespace bt
