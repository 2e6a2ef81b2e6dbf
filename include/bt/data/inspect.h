// What the model will see: examples with loss mask and step boundaries made visible, and histograms, as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bt/data/dataset.h"
#include "bt/text/boundaries.h"

namespace bt {

// One line a step: "step 2 | [Eve][ has ][8][\n]". [x] counts in the loss, (x) does not; control characters and broken
// UTF-8 are escaped. The steps are those that make_plan cuts.
std::string render_example(const Example& example, const Tokenizer& tokenizer, const TriggerOptions& trigger);

// Count, mean, least and greatest value, then at most `bins` bars of equal integer width.
std::string histogram(std::string_view title, const std::vector<int64_t>& values, int64_t bins = 12);

// The report, the first `count` examples, and histograms of tokens and steps over all examples. ExitCode::usage for a
// trigger that the tokenizer cannot obey.
std::string inspect_dataset(const Dataset& dataset, const Tokenizer& tokenizer, const TriggerOptions& trigger,
                            int64_t count);

}  // namespace bt
