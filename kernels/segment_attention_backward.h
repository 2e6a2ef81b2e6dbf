// Gradients of attention of the newest rows over a cache that already holds them.
#pragma once

#include "kernels/attention.h"

namespace bt::kernels {

// As bt::ops::segment_attention_backward and paged_attention_backward: FlashAttention-2 (arXiv 2307.08691), algorithm
// 2, with probabilities computed again from the log-sum-exp. Two passes, each with the heads of a group packed as the
// forward kernel packs them: over packed queries, which meet all cached rows, and over cached rows, which meet all
// packed queries. So every gradient is a sum inside one block, in one order. Sums are in fp32; probabilities and the
// gradients of scores are rounded to 16 bits for their products with d_out, q and k.
//
// A cache may be a table of rows of k and v, so that many versions of it share them. Gradients of keys and values come
// out for the wanted rows alone; the others cost nothing.
struct SegmentAttentionBackward {
  Attention attention;                  // with a table, k and v hold what it points to
  const int64_t* table;                 // [B, T]: the row of k and v that holds a cached row; null: t itself
  const void *out, *d_out;              // [B, S, H, D], contiguous, of q's type, at a multiple of 16 bytes
  const float* lse;                     // [B, S, H], contiguous
  const int64_t* wanted;                // [B, W]: cached rows, any below 0 for none; null: 0 … W - 1
  int64_t table_stride, wanted_stride;  // of B
  int wanted_rows;                      // W
  float* delta;                         // [B, S, H], scratch: the sums of d_out * out
  float* d_q;                           // [B, S, H, D]; zero where nothing is seen
  float *d_k, *d_v;                     // of the wanted rows; zero for none and for rows past the length
  Strides d_stride;                     // of B, G, W, of both
};

// d_q, and delta, which the other pass reads. Read: 2 B G length D elements for every 128 packed rows; q, d_out, out.
// Written: 4 B S H (D + 1) bytes.
void segment_attention_dq(const SegmentAttentionBackward& work, Stream stream);

// d_k and d_v. Read: the wanted rows once; q and d_out of the queries that may see them, once for every 64 of them
// (from the L2 cache). Written: 8 B G W D bytes.
void segment_attention_dkv(const SegmentAttentionBackward& work, Stream stream);

}  // namespace bt::kernels
