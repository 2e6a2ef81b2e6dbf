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

// The event's view of the cache: the first `events` sequences of the depth.
KvView event_view(const KvView& kv, int64_t events);
EventRows event_rows(const DevicePlan& plan, int64_t depth, const KvView& kv, const at::Tensor& mass_ET, int64_t layer,
                     int64_t window);
// Mass of the depth's newest queries over its cache, for sequences with an event. Empty when nobody votes.
at::Tensor event_mass(const DepthPlan& depth, const at::Tensor& q_BSHD, const at::Tensor& lse_BSH, const KvView& kv,
                      const AttentionSpec& spec, int64_t voters);
// The method's choice, or the replayed rows (kinds follow from the step's first row).
ChosenRows choose_rows(const Rewrite& rewrite, const EventRows& events, const at::Tensor* replay_EW);
Events rewrite_events(const DevicePlan& plan, int64_t depth, int64_t layer, const at::Tensor& u_EWC,
                      const ChosenRows& chosen);

// Running squares of |delta| and |u|, for the rewrite's relative size.
struct RewriteSize {
  double delta = 0, entries = 0;
  void add(const at::Tensor& change, const at::Tensor& u);
  double value() const;
};

}  // namespace bt
