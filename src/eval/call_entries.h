// The cache entries that a method changes, as they were and as it left them, kept while an engine runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "bt/latent/wrapped_method.h"

namespace bt {

// Of one call in one layer: the newest `rows` recent entries, newest first, then the mean of the recalled ones.
struct CallEntries {
  int64_t text = 0, call = 0;      // DecodingRequest::id or Example::source, and the boundary's number
  at::Tensor before_FC, after_FC;  // fp32 on the CPU; F = rows + 1
  std::vector<bool> is_present_F;  // false: the call has no such row; zeros stand there
};

class KeptEntries final : public WatchedEdits::Watch {
 public:
  explicit KeptEntries(int64_t rows) : rows_(rows) {}
  void edited(const Events& events, const Edit& edit) override;
  const std::vector<std::vector<CallEntries>>& by_layer() const { return by_layer_; }

 private:
  int64_t rows_;
  std::vector<std::vector<CallEntries>> by_layer_;
};

}  // namespace bt
