// Low-rank adapters as PEFT stores them: one pair of tensors a projection and layer, under dotted module names.
#pragma once

#include <string>

#include "bt/model/named_tensors.h"
#include "bt/model/parameters.h"
#include "bt/options/method_options.h"

namespace bt {

// "self_attn.q_proj" for the target "q".
std::string peft_module(const std::string& target);

// The parameters of `lora` ("q.a", "q.b", ...), layer by layer, under PEFT's names; the tensors alias the store's.
NamedTensors peft_tensors(const ParameterStore& store, const LoraOptions& options, int64_t layers);

// The options of `lora`, YAML, for the adapters of a PEFT folder: rank and scale as its config says, targets as its
// tensors do. ExitCode::bad_file where the files do not fit or adapt something else than projections.
std::string lora_options_of_peft(const std::string& folder);

}  // namespace bt
