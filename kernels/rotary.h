// Rotary position embedding (arXiv 2104.09864), half-split layout, of the heads of packed tokens.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

// The width is whole packs of 16 bytes in either half: a multiple of 16 for elements of 16 bits, of 8 for those of 32.
bool rotary_takes(int64_t width, Element type);

// Heads of every token, read and written at strides of their own, in elements, all multiples of 16 bytes. Head h of
// token n goes to to + n * to_by_row + h * to_by_head, or, with places in a cache, to to + slot[n] * to_by_slot +
// row[n] * to_by_row + h * to_by_head, and nowhere if row[n] < 0. Places must not overlap each other nor what is read,
// but `to` may be `from` at the same strides.
struct TokenHeads {
  const void* from = nullptr;  // [tokens, heads, width]
  int64_t from_by_token = 0, from_by_head = 0;
  void* to = nullptr;
  int64_t to_by_slot = 0, to_by_row = 0, to_by_head = 0;
  const int64_t *slot = nullptr, *row = nullptr;  // [tokens], or both null
  int heads = 0;
};

// q and k are rotated: (first half * cos - sign * second half * sin, second half * cos + sign * first half * sin),
// every product and every sum rounded to the type. v is moved as it is. Any of the three may have no heads. Cost: each
// number is read and written once; cos and sin once a token, from the L1 cache for the other heads.
struct Rotary {
  TokenHeads q, k, v;
  const void *cos, *sin;  // [tokens, width / 2]
  int tokens, width;
  float sign;  // -1 turns back
  Element type;
};
void rotary(const Rotary& work, Stream stream);

}  // namespace bt::kernels
