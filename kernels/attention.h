// What the attention kernels take: queries, a layer's cache, and how the layer scores. Shapes and meaning as in
// bt/ops/ops.h; B may hold layers x sequences where the strides allow it, so that one launch serves all layers.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

// Elements from one to the next; head widths are side by side.
struct Strides {
  int64_t sequence, middle, head_or_row;
};

struct Attention {
  Element type;  // of q, k and v
  int sequences, queries, heads, groups, rows, width;
  const void *q, *k, *v;                  // [B, S, H, D], [B, G, T, D], [B, G, T, D]
  Strides q_stride, k_stride, v_stride;   // of B, S, H; of B, G, T
  const int64_t* query_length;            // [B]
  const int64_t* length;                  // [B]
  const int64_t* position;                // [B, T]
  const bool* alive;                      // [B, T]; null: all
  int64_t position_stride, alive_stride;  // of B
  float scale, softcap;                   // softcap 0: none
  int64_t window;                         // 0: no limit
};

// Whether the kernels take it: bf16 or fp16, 64 or 128 wide, rows at multiples of 16 bytes and less than 2 GiB apart.
// They throw std::invalid_argument otherwise.
bool attention_takes(const Attention& work);

}  // namespace bt::kernels
