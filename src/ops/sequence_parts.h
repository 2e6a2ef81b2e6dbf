// Plain attention a few sequences at a time, where the scores of all would take more memory than they are worth.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace bt::ops {

// Neighbouring sequences of a batch, and the part of a tensor that is theirs.
struct SequencePart {
  int64_t begin = 0, count = 0;
  at::Tensor operator()(const at::Tensor& x_B) const { return x_B.narrow(0, begin, count); }
  std::optional<at::Tensor> operator()(const std::optional<at::Tensor>& x_B) const {
    return x_B.has_value() && x_B->defined() ? std::optional<at::Tensor>((*this)(*x_B)) : std::nullopt;
  }
};

// At least one part, and one sequence in it if there is any. A CPU goes over scores several times, so they should stay
// near it; other devices want few calls.
inline std::vector<SequencePart> sequence_parts(int64_t sequences, int64_t scores_a_sequence, bool on_cpu) {
  const int64_t most = int64_t{1} << (on_cpu ? 22 : 26);
  const int64_t at_once = std::max<int64_t>(1, most / std::max<int64_t>(1, scores_a_sequence));
  std::vector<SequencePart> parts{{0, std::min(at_once, sequences)}};
  for (int64_t begin = at_once; begin < sequences; begin += at_once)
    parts.push_back({begin, std::min(at_once, sequences - begin)});
  return parts;
}

}  // namespace bt::ops
