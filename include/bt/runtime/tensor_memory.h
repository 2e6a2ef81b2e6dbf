// Memory that tensors take, counted by LibTorch's allocators: exact, where resident memory depends on what the process
// did before.
#pragma once

#include <cstdint>
#include <functional>

namespace bt {

// Of tensors made while some work runs; what existed before is not counted. Replays of a recorded graph make none.
struct TensorMemory {
  int64_t peak = 0;  // the most that lived at one time
  int64_t left = 0;  // what lived on
};
TensorMemory tensor_memory(const std::function<void()>& work);

}  // namespace bt
