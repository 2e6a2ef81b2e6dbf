// One token of every slot in fixed shape: all slots take part, idle ones without effect.
#pragma once

#include <cstdint>
#include <vector>

#include "bt/model/decoder.h"
#include "bt/model/kv_cache.h"
#include "fixed_step.h"

namespace bt {

// The newest R queries of open steps, by layer, query n of a step at place n mod R; undefined where nobody votes. Place
// R takes what is never read.
struct QueryRing {
  at::Tensor q_LBRHD, lse_LBRH;  // R + 1 places
};

// A slot's part in a step.
struct TokenInput {
  int64_t slot = 0, id = 0, position = 0;
  int64_t ring_place = 0;
};

class TokenStep {
 public:
  // Keeps references: decoder and cache must outlive it. `logits_BV` receives what the steps predict.
  TokenStep(const Decoder& decoder, KvCache& cache, const QueryRing& ring, const at::Tensor& logits_BV);

  // Feeds the tokens, at most one a slot: their rows of the logits are those after them, the other rows hold anything.
  // `rows`: of the fullest slot in any layer, these tokens included.
  void run(const std::vector<TokenInput>& tokens, int64_t rows);

 private:
  void work(int64_t rows);

  const Decoder& decoder_;
  KvCache& cache_;
  QueryRing ring_;
  Rotary angles_;      // of every position
  Rotary unturned_;    // of position 0, for every slot
  at::Tensor slot_B_;  // 0 … B - 1
  at::Tensor logits_BV_;
  FixedStep step_;
};

}  // namespace bt
