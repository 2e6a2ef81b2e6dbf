// A tensor of a safetensors file into a tensor of the model.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "bt/format/safetensors.h"

namespace bt {

// The tensor type of a floating file type; empty for integers and booleans.
std::optional<at::ScalarType> floating_type(DType dtype);

// Fills `target` (the entry's shape, contiguous, any floating type and device) from the file, converting on the way.
// Equal types on the CPU are read straight into the target; else through pieces of 1 MiB, so no second copy of the
// tensor exists. Parallel over the threads of LibTorch. Precondition: floating_type(entry.dtype). Errors as
// SafetensorsFile::read.
void read_tensor(const SafetensorsFile& file, const TensorEntry& entry, const at::Tensor& target);

}  // namespace bt
