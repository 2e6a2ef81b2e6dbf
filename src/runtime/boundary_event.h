// What happens to one layer's cache at the boundary after one depth: the pieces both training orders share.
#pragma once

#include <ATen/core/Tensor.h>

#include "bt/latent/effects.h"
#include "bt/ops/kv_view.h"
#include "bt/runtime/device_plan.h"
#include "bt/runtime/teacher_forced.h"

namespace bt {

// The newest queries that vote on what is recalled or kept; 0: the effects need no attention mass.
int64_t voters_of(const Effects& effects);

// The events' view of a depth's cache: the sequences that have one, up to their boundary.
KvView event_view(const KvView& kv, const DepthPlan& depth);
// `kv`: the events' view. Rows that no token owns, if any, lie in front of those of the plan's tokens.
EventRows event_rows(const DevicePlan& plan, int64_t depth, const KvView& kv, const at::Tensor& mass_ET, int64_t layer,
                     int64_t window);
// Mass of the depth's newest queries over its cache, for sequences with an event. Empty when nobody votes.
at::Tensor event_mass(const DepthPlan& depth, const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const KvView& kv,
                      const AttentionSpec& spec, int64_t voters);
// The method's choice, or the replayed rows (kinds follow from the step's first row).
ChosenRows choose_rows(const Rewrite& rewrite, const EventRows& events, const at::Tensor* replay_EW);
Events rewrite_events(const EventRows& rows, const at::Tensor& u_EWC, const ChosenRows& chosen, double call_weight);

// Entries [E, W, C] as keys and values of the cache, [E, G, W, D].
KvView entries_of(const at::Tensor& x_EWC, int64_t groups);

// What a pass tells of one layer's rewrites.
class RewriteFigures {
 public:
  // Holds the tensors until settle() sums them up: of many events together it takes fewer operations.
  void add(const at::Tensor& change, const at::Tensor& u, const at::Tensor& call_YE);
  void settle();
  // Of all that is settled: scalars on the device, fp64, so that a backward pass need not wait; undefined where there
  // was nothing.
  at::Tensor size() const;       // |change| / |u| (RMS)
  at::Tensor call_rate() const;  // mean of Edit::call_YE, where calls are learned

 private:
  std::vector<at::Tensor> changes_, entries_, calls_;
  at::Tensor change_, entry_;  // sums of squares, fp64
};

}  // namespace bt
