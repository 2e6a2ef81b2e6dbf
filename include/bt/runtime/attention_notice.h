// What to tell a user whose GPU computes attention without a kernel of ours.
#pragma once

#include <string>

#include "bt/model/decoder.h"

namespace bt {

// Whether ops::segment_attention has a kernel for a model's heads in this type, on this device.
bool attention_has_kernel(const ModelConfig& config, const at::TensorOptions& options);

// Empty where there is no GPU, and where there is a kernel for the decoder's heads.
std::string attention_notice(const Decoder& decoder);

}  // namespace bt
