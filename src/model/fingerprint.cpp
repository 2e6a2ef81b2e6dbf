#include "bt/model/fingerprint.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr int64_t kBlock = int64_t{1} << 16;  // values that one thread digests at a time
constexpr int64_t kPiece = int64_t{1} << 24;  // values that are rounded at a time: 32 MiB

// A multiply-and-fold hash of 64-bit words; every step is a bijection of the state, so a changed word changes it.
uint64_t digest(const c10::BFloat16* values, int64_t count) {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;
  constexpr int64_t per_word = 4;
  uint64_t state = static_cast<uint64_t>(count);
  for (int64_t i = 0; i < count; i += per_word) {
    uint64_t word = 0;
    std::memcpy(&word, values + i, sizeof(*values) * static_cast<size_t>(std::min(per_word, count - i)));
    state = (state ^ word) * kOdd;
    state ^= state >> 32;
  }
  return state;
}

void add_digests(const at::Tensor& values, std::string& text) {
  const at::Tensor flat = values.detach().flatten();
  for (int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const at::Tensor piece =
        flat.narrow(0, begin, std::min(kPiece, flat.numel() - begin)).to(at::kBFloat16).to(at::kCPU).contiguous();
    const int64_t count = piece.numel(), blocks = (count + kBlock - 1) / kBlock;
    const c10::BFloat16* data = piece.const_data_ptr<c10::BFloat16>();
    std::vector<uint64_t> digests(static_cast<size_t>(blocks));
    at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b)
        digests[static_cast<size_t>(b)] = digest(data + b * kBlock, std::min(kBlock, count - b * kBlock));
    });
    for (const uint64_t block : digests) text += str(block, " ");
  }
}

}  // namespace

std::string weights_fingerprint(const ParameterStore& weights) {
  auto named = weights.named();
  std::sort(named.begin(), named.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& [name, tensor] : named) {
    text += bt::str(name, " ", tensor.sizes(), " ");
    add_digests(tensor, text);
    text += "\n";
  }
  return sha256_hex(text);
}

}  // namespace bt
