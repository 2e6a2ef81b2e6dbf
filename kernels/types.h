// What the declarations of kernels share. Neither CUDA nor LibTorch is needed to include it.
#pragma once

#include <cstdint>

struct CUstream_st;

namespace bt::kernels {

using Stream = CUstream_st*;  // a cudaStream_t

enum class Element { fp32, bf16, fp16 };

}  // namespace bt::kernels
