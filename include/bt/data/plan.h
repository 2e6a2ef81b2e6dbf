// A batch as the engines see it: packed tokens, cut into segments. No padding, no LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bt/text/boundaries.h"

namespace bt {

// One training or scoring example.
struct Example {
  std::vector<int32_t> ids;
  int64_t prompt_length = 0;        // ids before the response
  std::vector<uint8_t> supervised;  // per token: its prediction counts in the loss (token 0 never)
  int64_t source = 0;               // index of the record in the data set
  int64_t begin = 0;                // first token in the record's text, where that was split
  std::vector<float> uncertainty;   // per token, where the trigger asks a model (bt/runtime/uncertainty.h); else empty

  // Random numbers of this example depend on it: no two of a data set have the same.
  int64_t key() const { return source | begin << 32; }
};

// A run of tokens that attends to its parent chain and, causally, to itself.
struct Segment {
  int32_t sequence = 0;        // of Plan::sequences
  int32_t parent = -1;         // segment whose end this one continues; -1: the sequence's first
  int32_t depth = 0;           // number of ancestors
  int64_t prefix_end = 0;      // rows [0, prefix_end) of the parent chain are visible
  int64_t begin = 0, end = 0;  // packed token range
  int32_t event = -1;          // boundary event after the last token; -1: none
};

struct PlanSequence {
  int64_t begin = 0, end = 0;  // packed token range
  int64_t prompt_length = 0;
  int64_t source = 0;   // Example::key()
  int64_t example = 0;  // index in the batch given to make_plan
};

// A boundary event: one sequence's cache is acted on between two of its segments. With TriggerOptions::lag the segment
// goes on behind the boundary by so many tokens, which the event does not see.
struct PlanEvent {
  int32_t sequence = 0, segment = 0;  // the segment just written
  int32_t ordinal = 0;                // 0: the sequence's first event
  int64_t step_begin = 0;             // rows [step_begin, rows) are the step just written (bt::step_begin)
  int64_t rows = 0;                   // entries in the cache at the boundary
};

// A place where a text is left for latents and a copy of its next tokens (bt/data/branches.h).
struct PlanBranch {
  int32_t sequence = 0;
  int64_t read_end = 0;  // the method reads the tokens before it
  int64_t join_end = 0;  // the latents stand after the tokens before it; at least read_end
};

// What all branches share.
struct BranchShape {
  int64_t latents = 0;           // N
  int64_t ahead = 0;             // A: tokens predicted after the latents; fewer where the text ends, or all texts do
  bool shifts_positions = true;  // tokens after latents count on from them; else latents take no position
};

// Sequences are ordered by falling number of segments (stable), so that the sequences alive at a depth are a prefix.
struct Plan {
  std::vector<int32_t> ids, positions, targets;  // targets: the next token's id, or -1 where nothing is predicted
  std::vector<PlanSequence> sequences;
  std::vector<Segment> segments;     // grouped by depth, then by sequence
  std::vector<int64_t> depth_begin;  // segments of depth d: [depth_begin[d], depth_begin[d + 1])
  std::vector<PlanEvent> events;     // in segment order
  std::vector<PlanBranch> branches;  // by sequence, then by place; with them `targets` is what a branch may predict
  BranchShape branch_shape;
  std::vector<uint8_t> steered;   // per token: 1 where a method steers it (Steer); empty: none does
  int64_t supervised_tokens = 0;  // predictions in the loss, of branches alone where there are some
  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
  int64_t depths() const { return static_cast<int64_t>(depth_begin.size()) - 1; }
};

// Packs the batch without padding. Positions count from 0 in every sequence; the target of token i is the id of token
// i + 1 where that one is supervised. With trigger.kind "none" and no prompt-end boundary every sequence is one
// segment.
// ExitCode::bad_file names the example that is empty, longer than int32 can count, holds an id outside the table's
// vocabulary, or whose mask or prompt does not fit its length. A trigger that asks a model finds its answers in the
// examples. Linear in tokens.
Plan make_plan(const std::vector<Example>& batch, const BoundaryTable& table, const TriggerOptions& trigger,
               const std::vector<int32_t>& eos_ids);

}  // namespace bt
