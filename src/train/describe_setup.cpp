#include <algorithm>

#include "bt/core/strings.h"
#include "bt/train/setup.h"

namespace bt {
namespace {

struct TokenCounts {
  int64_t tokens = 0, supervised = 0, longest = 0;
};

TokenCounts count_tokens(const std::vector<Example>& examples) {
  TokenCounts counts;
  for (const Example& example : examples) {
    const auto length = static_cast<int64_t>(example.ids.size());
    counts.tokens += length;
    counts.supervised += std::count(example.supervised.begin(), example.supervised.end(), uint8_t{1});
    counts.longest = std::max(counts.longest, length);
  }
  return counts;
}

int64_t parameter_count(const ParameterStores& stores) {
  int64_t count = 0;
  for (const ParameterStore* store : stores) count += store->count();
  return count;
}

std::string data_text(const std::vector<Example>& examples, const TokenCounts& counts) {
  return str(examples.size(), " examples, ", counts.tokens, " tokens, ", counts.supervised, " supervised, longest ",
             counts.longest);
}

}  // namespace

std::string describe_setup(const TrainingSetup& setup) {
  const TokenCounts train = count_tokens(setup.train.examples);
  const int64_t steps =
      setup.trained().empty() ? 0 : setup.options.train.total_steps(static_cast<int64_t>(setup.train.examples.size()));
  const std::string method = setup.method != nullptr ? std::string(setup.method->name()) : "sft";
  std::string text =
      str("method      ", method, "\n", "device      ", bt::str(resolve_device(setup.options.run.device)), ", ",
          setup.options.run.dtype, "\n", "backbone    ", parameter_count({setup.backbone.parameters.get()}),
          " parameters, ", setup.decoder().config.layers, " layers", setup.trains_backbone() ? "\n" : ", frozen\n",
          "trained     ", parameter_count(setup.trained()), " parameters\n", "train       ",
          data_text(setup.train.examples, train), "\n");
  if (!setup.validation.examples.empty())
    text += str("validation  ", data_text(setup.validation.examples, count_tokens(setup.validation.examples)), "\n");
  return text + str("steps       ", steps, " of ", setup.options.train.batch_size * setup.options.train.accumulate,
                    " sequences\n", "memory      ", memory_text(training_memory(setup)),
                    ", estimated at the largest batch of an epoch\n");
}

}  // namespace bt
