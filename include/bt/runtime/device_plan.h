// A Plan on the device: packed tokens reordered by depth, so that the segments of one depth are one contiguous range
// and the prompts (which no rewrite precedes) come first.
//
// Axes: N packed tokens, B sequences alive at a depth (always the first B), S longest segment of the depth.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "bt/data/plan.h"

namespace bt {

// Segments of one depth of the chains, or of several.
struct DepthPlan {
  int64_t sequences = 0;                   // B
  int64_t token_begin = 0, token_end = 0;  // packed range
  int64_t width = 0;                       // S
  int64_t rows = 0;                        // most cache rows any sequence has after this depth
  int64_t events = 0;                      // boundary events after this depth: those of the first `events` sequences
  at::Tensor token_BS;                     // int64: packed token relative to token_begin; padding points at 0
  at::Tensor slot_n;                       // int64: b * S + s of every token of the range
  at::Tensor sequence_n, row_n;            // int64: cache coordinates of every token of the range
  at::Tensor query_length_B;               // int64
  at::Tensor rows_B;                       // int64: cache rows after this depth
  at::Tensor own_row_BS;                   // int64: cache rows of a segment's own tokens; -1 for padding
  at::Tensor step_begin_E;  // int64, per event: first row of the step just written (PlanEvent::step_begin)
  at::Tensor step_rows_E;   // int64, per event: that step's rows
  at::Tensor behind_E;      // int64, per event: rows behind the boundary; undefined where there are none, without a lag
  at::Tensor ordinal_E;     // int64: the depth
  std::vector<int64_t> host_event_rows_E, host_step_begin_E;
};

// The plan's branches: R of them, N latents and A ahead tokens each.
struct DeviceBranches {
  BranchShape shape;
  at::Tensor sequence_R, read_R, join_R;  // int64, on the CPU: rows [0, read) are read, rows [0, join) visible
  at::Tensor position_RS;                 // int64: of latents, then ahead tokens, S = N + A
  at::Tensor ahead_id_RA;                 // int64; 0 behind the text's end
  at::Tensor plain_M;                     // int64: packed token that predicts the same without latents
  bool empty() const { return !sequence_R.defined(); }
};

struct DevicePlan {
  int64_t tokens = 0, sequences = 0, rows = 0;  // rows: longest sequence
  int64_t live_begin = 0;                       // tokens before it precede every rewrite
  at::Tensor id_N, position_N;                  // int64, packed by depth; ids below 0 are latents: -1 - index
  at::Tensor target_M;                          // int64: targets of the supervised tokens
  at::Tensor supervised_M;                      // int64: packed index of the supervised tokens, ascending
  at::Tensor supervised_depth_M;                // int64: depth of the predicting token
  at::Tensor plan_index_N;                      // int64: index in Plan::ids of every packed token
  int64_t supervised_in_prompt = 0;             // how many of them predict from a token before live_begin
  at::Tensor position_BT;                       // int64 [sequences, rows]
  at::Tensor packed_BT;        // int64 [sequences, rows]: packed index of every row; 0 past the sequence's end
  at::Tensor source_B;         // int64: Example::key() of every sequence
  at::Tensor steered_N;        // bool, packed: tokens that a method steers; undefined: none
  bool steers_prompt = false;  // some of them before live_begin
  std::vector<DepthPlan> depths;
  // All segments behind the prompts side by side, depth by depth; without events and cache coordinates. Undefined where
  // there are none, and with latents.
  DepthPlan live;
  at::Tensor live_sequence_B;  // int64: which sequence's each of them is
  double call_weight = 0;      // Events::call_weight
  DeviceBranches branches;     // with them, supervised_M holds r * A + a, and no token of the texts is supervised
};

// Cost: one pass over the plan on the host and one copy to the device, for which the host does not wait: on a GPU the
// tensors are ready for what is started on the current stream afterwards.
DevicePlan to_device(const Plan& plan, at::Device device);

// The packed tokens of a depth, [n, H, D], as its right-padded sequences, [B, S, H, D]. Padding repeats token 0,
// and its gradient is dropped.
at::Tensor padded(const at::Tensor& x_nHD, const DepthPlan& depth);

}  // namespace bt
