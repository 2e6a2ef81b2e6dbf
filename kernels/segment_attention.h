// Attention of the newest rows over a cache that already holds them.
#pragma once

#include "kernels/attention.h"

namespace bt::kernels {

// As bt::ops::segment_attention. FlashAttention-2 (arXiv 2307.08691): scores stay in registers, softmax as it goes,
// sums in fp32, probabilities rounded to 16 bits for the product with v. The queries of all heads that share a
// key/value head are packed into one product of up to 128 rows, so that K and V are read once for every 128 / (H/G)
// queries. Where that leaves a GPU idle, the cached rows are split among blocks (Flash-Decoding) and merged in a fixed
// order. Read: 2 B G length D elements for every 128 packed rows, and q. Written: out and lse; with splits, splits
// times as much in fp32, and read again.
struct SegmentAttention {
  Attention attention;
  void* out;        // [B, S, H, D], q's type; zero where nothing is seen
  float* lse;       // [B, S, H], natural logarithm; -inf where nothing is seen
  int splits;       // at least 1
  float* part_out;  // [splits, B, S, H, D], scratch; null for 1
  float* part_lse;  // [splits, B, S, H], scratch; null for 1
};
void segment_attention(const SegmentAttention& work, Stream stream);

// Splits that fill a GPU of so many multiprocessors.
int segment_attention_splits(const Attention& work, int processors);

}  // namespace bt::kernels
