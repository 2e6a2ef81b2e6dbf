// Attention mass of every cached row: the mean probability that the voters gave it.
#pragma once

#include "kernels/attention.h"

namespace bt::kernels {

// mass[b, i] = 1/(V H) * sum over the V = min(voters[b], query_length[b]) newest queries and H heads of
// exp(score - lse); 0 for rows at or past the length, dead rows and 0 voters. Sums in fp32, first over the queries and
// heads of a key/value head, then over these, both in a fixed order.
//
// Every key is read once, straight into registers, and meets the queries of all heads that share it, 128 packed rows at
// a time in shared memory. Read: B G length D elements of K, and q once more for every 256 keys (from the L2 cache).
// Written and read again: 4 B G length bytes. q once per 256 keys is 13 % of K's bytes at 32 packed rows, 40 % at 100.
struct AttentionMass {
  Attention attention;    // v is not read
  const float* lse;       // [B, S, H] as segment_attention returns it: natural logarithm
  int64_t lse_stride[3];  // of B, S, H
  const int64_t* voters;  // [B]
  const int64_t* place;   // [B]: keys of sequence b are k's [place[b]]; null: [b]
  float* of_group;        // [B, G, T], scratch
  float* mass;            // [B, T]
};
void attention_mass(const AttentionMass& work, Stream stream);

}  // namespace bt::kernels
