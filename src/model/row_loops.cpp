#include "row_loops.h"

#include <cmath>

// Compiled for processors with 256-bit vectors and for all others; the loader picks. Training's sums do not use wider
// vectors, so that their order is the same on most machines.
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
    Wide<T> squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < a.width; ++i) squares += widen(x[i]) * widen(x[i]);
    const Wide<T> scale = 1 / std::sqrt(squares / static_cast<Wide<T>>(a.width) + a.eps);
    a.scale[r] = scale;
    if (a.rounds_last) {
#pragma omp simd
      for (int64_t i = 0; i < a.width; ++i) y[i] = narrow<T>(widen(x[i]) * scale * (widen(a.weight[i]) + a.offset));
    } else {
#pragma omp simd
      for (int64_t i = 0; i < a.width; ++i)
        y[i] = narrow<T>(rounded<T>(widen(x[i]) * scale) * rounded<T>(widen(a.weight[i]) + a.offset));
    }
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
        const Wide<T> c = widen(cos[i]), s = a.sign * widen(sin[i]), u = widen(first[i]), v = widen(second[i]);
        y_first[i] = narrow<T>(rounded<T>(u * c) - rounded<T>(v * s));
        y_second[i] = narrow<T>(rounded<T>(v * c) + rounded<T>(u * s));
      }
    }
  }
}

// Dot products of one row of x with four rows of weights side by side: x is loaded once, and four sums hide the
// latency of one.
template <class T, class Store>
BT_INLINE void dot_4(const Wide<T>* x, const T* w, int64_t in, Store store) {
  const T *w0 = w, *w1 = w + in, *w2 = w + 2 * in, *w3 = w + 3 * in;
  Wide<T> s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (int64_t i = 0; i < in; ++i) {
    s0 += widen(w0[i]) * x[i];
    s1 += widen(w1[i]) * x[i];
    s2 += widen(w2[i]) * x[i];
    s3 += widen(w3[i]) * x[i];
  }
  store(0, s0), store(1, s1), store(2, s2), store(3, s3);
}

template <class T>
BT_INLINE Wide<T> dot(const Wide<T>* x, const T* w, int64_t in) {
  Wide<T> sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < in; ++i) sum += widen(w[i]) * x[i];
  return sum;
}

// A processor alone does not look far enough ahead to keep memory busy with 16-bit weights.
template <class T>
BT_INLINE void prefetch_after(const T* w, int64_t count) {
  constexpr int64_t ahead = 16384, line = 64;
  const char* bytes = reinterpret_cast<const char*>(w) + ahead;
  const int64_t size = count * static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < size; i += line) __builtin_prefetch(bytes + i);
}

template <class T>
BT_INLINE void multiply(const Product<T>& a, int64_t begin, int64_t end) {
  const auto store = [&](int64_t r, int64_t o, Wide<T> sum) {
    a.y[r * a.out + o] = narrow<T>(a.bias == nullptr ? sum : sum + widen(a.bias[o]));
  };
  int64_t o = begin;
  for (; o + 4 <= end; o += 4) {
    const T* w = a.weight + o * a.in;
    prefetch_after(w, 4 * a.in);
    const auto store_4 = [&](int64_t r) { return [&store, r, o](int64_t k, Wide<T> sum) { store(r, o + k, sum); }; };
    if (a.rows == 1 || sizeof(T) == sizeof(Wide<T>)) {
      for (int64_t r = 0; r < a.rows; ++r) dot_4<T>(a.x + r * a.in, w, a.in, store_4(r));
      continue;
    }
#pragma omp simd
    for (int64_t i = 0; i < 4 * a.in; ++i) a.scratch[i] = widen(w[i]);  // once for all rows
    for (int64_t r = 0; r < a.rows; ++r) dot_4<Wide<T>>(a.x + r * a.in, a.scratch, a.in, store_4(r));
  }
  for (; o < end; ++o) {
    for (int64_t r = 0; r < a.rows; ++r) store(r, o, dot<T>(a.x + r * a.in, a.weight + o * a.in, a.in));
  }
}

}  // namespace

BT_CLONES void run(const RmsNormForward<float>& work, int64_t begin, int64_t end) { forward(work, begin, end); }
BT_CLONES void run(const RmsNormForward<double>& work, int64_t begin, int64_t end) { forward(work, begin, end); }
BT_CLONES void run(const RmsNormForward<BFloat16>& work, int64_t begin, int64_t end) { forward(work, begin, end); }
BT_CLONES void run(const RmsNormBackward<float>& work, int64_t begin, int64_t end) { backward(work, begin, end); }
BT_CLONES void run(const RmsNormBackward<double>& work, int64_t begin, int64_t end) { backward(work, begin, end); }
BT_CLONES void run(const Rotation<float>& work, int64_t begin, int64_t end) { rotate(work, begin, end); }
BT_CLONES void run(const Rotation<double>& work, int64_t begin, int64_t end) { rotate(work, begin, end); }
BT_CLONES void run(const Rotation<BFloat16>& work, int64_t begin, int64_t end) { rotate(work, begin, end); }
BT_CLONES_512 void run(const Product<float>& work, int64_t begin, int64_t end) { multiply(work, begin, end); }
BT_CLONES_512 void run(const Product<BFloat16>& work, int64_t begin, int64_t end) { multiply(work, begin, end); }

}  // namespace bt::rows
