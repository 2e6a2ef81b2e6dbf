// Names, shapes and places of a backbone's tensors: one list for making, loading and saving.
#pragma once

#include <vector>

#include "bt/model/decoder.h"

namespace bt {

// Every tensor under its Hugging Face name, layer by layer.
std::vector<ParameterInfo> backbone_parameters(const ModelConfig& config);

// The decoder whose tensors are the store's leaves; they require gradients as long as the store is trainable.
Decoder decoder_of(const ModelConfig& config, const ParameterStore& parameters);

}  // namespace bt
