// model.safetensors.index.json: which shard holds which tensor.
#pragma once

#include <map>
#include <string>

#include "bt/core/json.h"

namespace bt {

using ShardIndex = std::map<std::string, std::string>;  // tensor name to file name

// The weight_map: 1 to 10,000 shards, all of them plain file names. ExitCode::bad_file naming `source` and the tensor.
ShardIndex parse_shard_index(const Json& index, const std::string& source);

}  // namespace bt
