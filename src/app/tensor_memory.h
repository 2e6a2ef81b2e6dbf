// Memory that tensors take, counted by LibTorch's allocators: exact, where resident memory depends on what the process
// did before.
#pragma once

#include <cstdint>
#include <functional>

namespace bt {

// The most bytes of tensors made by `run` that live at one time while it runs. What existed before is not counted.
int64_t peak_tensor_bytes(const std::function<void()>& run);

}  // namespace bt
