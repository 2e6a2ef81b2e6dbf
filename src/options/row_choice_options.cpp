#include "bt/core/error.h"
#include "bt/options/method_options.h"

namespace bt {

void RowChoiceOptions::recent_fields(OptionFields& f) {
  f.field("recent", recent,
          {.help = "R: newest rows that are rewritten, and vote on what is recalled", .min = 1, .max = 1 << 20});
  f.field("window", window,
          {.help = "newest rows of the step just written, or of the whole text", .choices = {"step", "recent"}});
  f.field("rewrite_recent", rewrite_recent, {.help = "false: recent rows only vote on what is recalled"});
}

void RowChoiceOptions::recall_fields(OptionFields& f) {
  f.field("recall", recall, {.help = "K: earlier rows that are rewritten; 0: none", .min = 0, .max = 1 << 20});
  f.field("recall_by", recall_by,
          {.help = "which earlier rows: greatest attention mass, chance, or newest",
           .choices = {"mass", "random", "newest"}});
  f.field("recall_exclude_first", recall_exclude_first,
          {.help = "first rows of a sequence that are never recalled (attention sinks)", .min = 0});
  f.field("recall_share", recall_share,
          {.help = "recall the fewest rows that hold this share of the earlier rows' mass, at most K; 0: always K",
           .min = 0,
           .max = 1});
  f.field("recall_diversity", recall_diversity,
          {.help = "one row after another, by mass (of the greatest) less this times its greatest cosine to a key "
                   "recalled already; 0: by mass alone",
           .min = 0});
}

void RowChoiceOptions::validate() const {
  if (recall_by != "mass" && (recall_share > 0 || recall_diversity > 0)) {
    fail_usage({.what = "a share of the mass and diversity need recall by mass",
                .where = "latent.recall_by",
                .expected = "mass",
                .found = recall_by});
  }
  if (!rewrite_recent && recall == 0) {
    fail_usage({.what = "no row is rewritten",
                .where = "latent.recall",
                .expected = "at least 1 with latent.rewrite_recent: false",
                .found = "0"});
  }
}

}  // namespace bt
