#include "tensor_reading.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "bt/core/error.h"

namespace bt {
namespace {

constexpr int64_t kPieceBytes = 1 << 20;  // fits into a core's cache, many pages long

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes()};
}

}  // namespace

std::optional<at::ScalarType> floating_type(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return at::kHalf;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f32:
      return at::kFloat;
    case DType::f64:
      return at::kDouble;
    default:
      return std::nullopt;
  }
}

void read_tensor(const SafetensorsFile& file, const TensorEntry& entry, const at::Tensor& target) {
  const std::optional<at::ScalarType> stored = floating_type(entry.dtype);
  BT_ASSERT(stored && target.sizes() == at::IntArrayRef(entry.shape) && target.is_contiguous());
  const at::Tensor flat = target.detach().view(-1);
  const auto width = static_cast<int64_t>(dtype_bytes(entry.dtype));
  const int64_t piece = kPieceBytes / width;
  const bool straight = flat.is_cpu() && flat.scalar_type() == *stored;
  const auto read_pieces = [&](int64_t first, int64_t last) {
    const at::NoGradGuard no_grad;
    const at::Tensor buffer = straight ? at::Tensor() : at::empty({std::min(piece, flat.numel())}, *stored);
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i * piece, length = std::min(piece, flat.numel() - begin);
      const at::Tensor into = flat.narrow(0, begin, length), from = straight ? into : buffer.narrow(0, 0, length);
      file.read(entry, static_cast<uint64_t>(begin * width), bytes_of(from));
      if (!straight) into.copy_(from);
    }
  };
  const int64_t pieces = (flat.numel() + piece - 1) / piece;
  if (flat.is_cpu()) {
    at::parallel_for(0, pieces, 1, read_pieces);
  } else {
    read_pieces(0, pieces);
  }
}

}  // namespace bt
