#include <algorithm>

#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "bt/train/memory.h"
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

// Of an average batch: tokens that autograd keeps something of, and predictions.
TokenCounts counts_of_batch(const TrainingSetup& setup, const TokenCounts& data) {
  const int64_t examples = static_cast<int64_t>(setup.train.examples.size()), batch = setup.options.train.batch_size;
  if (!appends_from_cache(setup.method.get()))
    return {batch * data.tokens / examples, batch * data.supervised / examples};
  const BranchOptions options = setup.method->effects().append->branches();
  const int64_t branches = batch * std::min(options.places, data.supervised / examples);
  return {branches * (2 * options.shape.latents + options.shape.ahead), branches * options.shape.ahead};
}

MemoryShape memory_shape(const TrainingSetup& setup, const TokenCounts& data) {
  const int64_t batch = setup.options.train.batch_size;
  const TokenCounts of_batch = counts_of_batch(setup, data);
  const ParameterStore* method = setup.method != nullptr ? setup.method->parameters() : nullptr;
  return {.backbone_parameters = setup.backbone.parameters->count(),
          .method_parameters = method != nullptr ? method->count() : 0,
          .trained_parameters = parameter_count(setup.trained()),
          .tokens = of_batch.tokens,
          .supervised = of_batch.supervised,
          .cached_rows = setup.method != nullptr ? batch * data.longest : 0,
          .element_bytes = static_cast<int64_t>(setup.decoder().embedding.element_size())};
}

std::string memory_text(const TrainingSetup& setup, const TokenCounts& data) {
  const auto classes = estimate_memory(setup.decoder().config, memory_shape(setup, data));
  std::vector<std::string> parts;
  int64_t total = 0;
  for (const auto& [name, bytes] : classes) {
    parts.push_back(str(name, " ", bytes_text(bytes)));
    total += bytes;
  }
  return str(bytes_text(total), " (", join(parts, ", "), "), for an average batch");
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
                    " sequences\n", "memory      ", memory_text(setup, train), "\n");
}

}  // namespace bt
