// Which layers of a decoder rotate their queries and keys, and which see only a sliding window.
#pragma once

#include <vector>

#include "bt/format/model_family.h"
#include "json_reader.h"

namespace bt {

// One per layer.
std::vector<bool> read_rotary_layers(const JsonReader& reader, const ModelFamily& family, int64_t layers);
std::vector<int64_t> read_windows(const JsonReader& reader, const Json& json, const ModelFamily& family,
                                  const std::vector<bool>& rotary);

// The keys that say the same in a config.json, for transformers 4 and 5.
void add_layer_kinds(const std::vector<bool>& rotary, const std::vector<int64_t>& window, const ModelFamily& family,
                     Json& json);

}  // namespace bt
