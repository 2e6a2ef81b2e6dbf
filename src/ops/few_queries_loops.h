// Plain loops of attention with few queries. Free of LibTorch and compiled with optimisation of their own
// (CMakeLists.txt beside the modules).
#pragma once

#include <cstdint>

#include "bt/core/bfloat16.h"

namespace bt::ops {

// One query head and the rows of its sequence.
template <class T>
struct OneQuery {
  const T *q, *k, *v;  // q [D]; k[t * by_row_k + d], v[t * by_row_v + d]
  int64_t by_row_k, by_row_v;
  const int64_t* position;  // [rows]
  const bool* alive;        // [rows]; null: all
  int64_t rows, width;      // rows: those before and at the query's own
  int64_t window;           // 0: no limit
  Wide<T> scale, softcap;
  Wide<T>* scores;  // [rows + width]: room for the scores, then for the sum
  T* out;           // [D]
  Wide<T>* lse;
};

void run(const OneQuery<float>& work);
void run(const OneQuery<double>& work);
void run(const OneQuery<BFloat16>& work);

}  // namespace bt::ops
