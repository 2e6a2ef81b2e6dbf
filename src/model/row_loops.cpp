#include "row_loops.h"

#include <cmath>

// Compiled twice, for processors with 256-bit vectors and for all others; the loader picks.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define BT_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define BT_CLONES
#endif
#define BT_INLINE inline __attribute__((always_inline))

namespace bt::rows {
namespace {

template <class T>
BT_INLINE void forward(const RmsNormForward<T>& a, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const T* x = a.x + r * a.width;
    T* y = a.y + r * a.width;
    T squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < a.width; ++i) squares += x[i] * x[i];
    const T scale = 1 / std::sqrt(squares / static_cast<T>(a.width) + a.eps);
    a.scale[r] = scale;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) y[i] = x[i] * scale * (a.weight[i] + a.offset);
  }
}

// dx = s w dy - x s^3 mean(w dy x).
template <class T>
BT_INLINE void backward(const RmsNormBackward<T>& a, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const T *x = a.x + r * a.width, *dy = a.dy + r * a.width;
    T* dx = a.dx + r * a.width;
    const T scale = a.scale[r];
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < a.width; ++i) sum += (a.weight[i] + a.offset) * dy[i] * x[i];
    const T pull = sum * scale * scale * scale / static_cast<T>(a.width);
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) dx[i] = scale * (a.weight[i] + a.offset) * dy[i] - x[i] * pull;
    if (a.dweight == nullptr) continue;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) a.dweight[i] += dy[i] * x[i] * scale;
  }
}

template <class T>
BT_INLINE void rotate(const Rotation<T>& a, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    const T *cos = a.cos + n * a.half, *sin = a.sin + n * a.half;
    for (int64_t h = 0; h < a.heads; ++h) {
      const T *first = a.x + n * a.by_token + h * a.by_head, *second = first + a.half;
      T *y_first = a.y + (n * a.heads + h) * 2 * a.half, *y_second = y_first + a.half;
#pragma omp simd
      for (int64_t i = 0; i < a.half; ++i) {
        const T s = a.sign * sin[i];
        y_first[i] = first[i] * cos[i] - second[i] * s;
        y_second[i] = second[i] * cos[i] + first[i] * s;
      }
    }
  }
}

}  // namespace

BT_CLONES void run(const RmsNormForward<float>& work, int64_t begin, int64_t end) { forward(work, begin, end); }
BT_CLONES void run(const RmsNormForward<double>& work, int64_t begin, int64_t end) { forward(work, begin, end); }
BT_CLONES void run(const RmsNormBackward<float>& work, int64_t begin, int64_t end) { backward(work, begin, end); }
BT_CLONES void run(const RmsNormBackward<double>& work, int64_t begin, int64_t end) { backward(work, begin, end); }
BT_CLONES void run(const Rotation<float>& work, int64_t begin, int64_t end) { rotate(work, begin, end); }
BT_CLONES void run(const Rotation<double>& work, int64_t begin, int64_t end) { rotate(work, begin, end); }

}  // namespace bt::rows
