#include "few_queries_loops.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bt::ops {
namespace {

template <class T>
[[gnu::always_inline]] inline Wide<T> dot(const T* a, const T* b, int64_t width) {
  Wide<T> sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t d = 0; d < width; ++d) sum += widen(a[d]) * widen(b[d]);
  return sum;
}

template <class T>
[[gnu::always_inline]] inline bool sees(const OneQuery<T>& a, int64_t t) {
  if (a.alive != nullptr && !a.alive[t]) return false;
  return a.window <= 0 || a.position[a.rows - 1] - a.position[t] < a.window;
}

template <class T>
constexpr Wide<T> kHidden = -std::numeric_limits<Wide<T>>::infinity();

// Scores of all rows, kHidden where one is not seen; returns the greatest.
template <class T>
[[gnu::always_inline]] inline Wide<T> fill_scores(const OneQuery<T>& a) {
  Wide<T> greatest = kHidden<T>;
  for (int64_t t = 0; t < a.rows; ++t) {
    Wide<T> score = kHidden<T>;
    if (sees(a, t)) {
      score = a.scale * dot(a.q, a.k + t * a.by_row_k, a.width);
      if (a.softcap > 0) score = a.softcap * std::tanh(score / a.softcap);
    }
    a.scores[t] = score;
    greatest = std::max(greatest, score);
  }
  return greatest;
}

// A score that is not a number makes the output that, too.
template <class T>
[[gnu::always_inline]] inline void attend(const OneQuery<T>& a) {
  Wide<T>* const sum = a.scores + a.rows;
  for (int64_t d = 0; d < a.width; ++d) sum[d] = 0;
  const Wide<T> greatest = fill_scores(a);
  Wide<T> weight = 0;
  for (int64_t t = 0; t < a.rows; ++t) {
    if (a.scores[t] == kHidden<T>) continue;
    const Wide<T> w = std::exp(a.scores[t] - greatest);
    weight += w;
    const T* v = a.v + t * a.by_row_v;
#pragma omp simd
    for (int64_t d = 0; d < a.width; ++d) sum[d] += w * widen(v[d]);
  }
  const bool blind = weight == 0;
  for (int64_t d = 0; d < a.width; ++d) a.out[d] = narrow<T>(blind ? 0 : sum[d] / weight);
  *a.lse = blind ? kHidden<T> : greatest + std::log(weight);
}

}  // namespace

BT_CLONES_512 void run(const OneQuery<float>& work) { attend(work); }
BT_CLONES_512 void run(const OneQuery<double>& work) { attend(work); }
BT_CLONES_512 void run(const OneQuery<BFloat16>& work) { attend(work); }

}  // namespace bt::ops
