// How one layer scores its keys: goes into every attention and mass operator.
#pragma once

#include <cstdint>

namespace bt {

// score = scale * q.k, then softcap * tanh(score / softcap) where softcap > 0. A query at position p sees a key at
// position j when p - j < window (window 0: no limit).
struct AttentionSpec {
  double scale = 1.0;
  double softcap = 0.0;
  int64_t window = 0;
};

}  // namespace bt
