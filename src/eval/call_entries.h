// The cache entries that a method changes, as they were and as it left them, kept while an engine runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "bt/latent/wrapped_method.h"

namespace bt {

// Of one call in one layer: the newest `rows` recent entries, newest first, then the mean of the recalled ones.
struct CallEntries {
  at::Tensor before_FC, after_FC;  // fp32 on the CPU; F = rows + 1
  std::vector<bool> is_present_F;  // false: the call has no such row; zeros stand there
};

// By text, DecodingRequest::source or Example::key(), and the boundary's number in it. A call made again, as where the
// model is asked for its boundaries first, replaces what was kept of it.
using CallsOfLayer = std::map<std::pair<int64_t, int64_t>, CallEntries>;

class KeptEntries final : public WatchedEdits::Watch {
 public:
  explicit KeptEntries(int64_t rows) : rows_(rows) {}
  void edited(const Events& events, const Edit& edit) override;
  const std::vector<CallsOfLayer>& by_layer() const { return by_layer_; }

 private:
  int64_t rows_;
  std::vector<CallsOfLayer> by_layer_;
};

}  // namespace bt
