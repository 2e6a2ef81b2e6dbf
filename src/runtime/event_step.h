// A boundary's event of all slots that fire together, in fixed shape: the slots that do not fire keep every bit.
#pragma once

#include <cstdint>
#include <vector>

#include "cache_events.h"
#include "fixed_step.h"

namespace bt {

class EventStep {
 public:
  // Keeps references: cache and method must outlive it. `parameters`: the method's, stacked over all layers. The method
  // is recordable.
  EventStep(const Decoder& decoder, KvCache& cache, const QueryRing& ring, const Rewrite& rewrite,
            std::vector<at::Tensor> parameters);

  // Rewrites the caches of the events' slots. `rows`: of the fullest of them in any layer. The work grows with the next
  // power of two of the number of events.
  void run(const std::vector<SlotEvent>& events, int64_t rows);

 private:
  void work(int64_t events, int64_t rows);

  KvCache& cache_;
  QueryRing ring_;
  const Rewrite& rewrite_;
  std::vector<at::Tensor> parameters_;
  std::vector<LayerRun> runs_;
  FixedStep step_;
};

}  // namespace bt
