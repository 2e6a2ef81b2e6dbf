// One token of every slot, in a form that a device can record: all slots take part, idle ones without effect, shapes
// depend on nothing but the number of rows looked at, and what differs from step to step is one small table from the
// host. Where the device has graphs a step is one launch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "bt/model/decoder.h"
#include "bt/model/kv_cache.h"
#include "bt/ops/device_graph.h"

namespace bt {

// Where the queries of open steps are kept, by layer; undefined where nobody votes.
struct QueryRing {
  at::Tensor q_LBRHD, lse_LBRH;
};

// A slot's part in a step.
struct TokenInput {
  int64_t slot = 0, id = 0, position = 0;
  int64_t ring_place = 0;
};

class TokenStep {
 public:
  // Keeps references: decoder, cache and ring must outlive it and stay where they are.
  TokenStep(const Decoder& decoder, KvCache& cache, const QueryRing& ring);

  // Feeds the tokens, at most one a slot, and gives the logits after them, [B, V], valid until the next call; rows of
  // slots without a token hold anything. `rows`: of the fullest slot in any layer, these tokens included.
  const at::Tensor& run(const std::vector<TokenInput>& tokens, int64_t rows);

 private:
  void work(int64_t rows);  // from input_4B_ to logits_BV_; running it again changes nothing
  int64_t bucket(int64_t rows) const;

  const Decoder& decoder_;
  KvCache& cache_;
  QueryRing ring_;
  Rotary angles_;        // of every position
  at::Tensor slot_B_;    // 0 … B - 1
  at::Tensor host_4B_;   // ids, positions, counts, places in the ring
  at::Tensor input_4B_;  // the same on the device
  at::Tensor logits_BV_;
  std::map<int64_t, std::unique_ptr<ops::DeviceGraph>> graphs_;  // by rows
};

}  // namespace bt
