// Memory that runs out, told as where it goes and what to change.
#pragma once

#include <c10/core/Device.h>

#include <exception>
#include <functional>
#include <map>
#include <string>

#include "bt/train/memory.h"

namespace bt {

// By class of memory: the settings that shrink it, most effective first.
using Remedies = std::map<std::string, std::string>;

// Whether an allocation failed: the C++ library's, or one of LibTorch's allocators.
bool is_out_of_memory(const std::exception& error);

// All of the device's memory; of the CPU no more than this process may have. 0: not known.
int64_t device_memory_bytes(at::Device device);

// Runs. Where memory runs out, what it held is let go and the error is ExitCode::out_of_memory: with `estimate`, the
// device (a name as in the options) and its size, and the settings of the largest class that has some. Other errors
// pass, among them those of a within_memory inside.
void within_memory(const std::string& device, const Remedies& remedies, const std::function<MemoryClasses()>& estimate,
                   const std::function<void()>& run);

}  // namespace bt
