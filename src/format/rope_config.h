// The rotary embedding's settings, wherever a config.json keeps them.
#pragma once

#include "bt/format/model_config.h"
#include "json_reader.h"

namespace bt {

// Transformers 5: everything in `rope_parameters`. Transformers 4: `rope_theta` beside `rope_scaling`. A file may have
// both spellings (ours does); they must agree.
RopeConfig parse_rope_config(const JsonReader& config, double default_theta, int64_t max_position);

// Adds rope_theta, rope_scaling and rope_parameters.
void add_rope_json(const RopeConfig& rope, Json& config);

}  // namespace bt
