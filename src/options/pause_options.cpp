#include "bt/options/method_options.h"

namespace bt {

void PauseOptions::fields(OptionFields& f) {
  common_fields(f);
  f.field("count", count, {.help = "embeddings appended at a boundary", .min = 1, .max = 1 << 16});
  f.field("shared", shared, {.help = "one embedding for all of them"});
  f.field("train_backbone", train_backbone, {.help = "train the backbone together with the embeddings"});
  f.field("deviation", deviation, {.help = "standard deviation of the initial embeddings", .min = 0});
}

}  // namespace bt
