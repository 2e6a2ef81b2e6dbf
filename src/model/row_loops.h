// Plain loops behind RMSNorm, rotary embedding and products with few rows on the CPU, for rows too short to make a
// chain of tensor operations worth its while. Free of LibTorch and compiled with optimisation of their own
// (CMakeLists.txt beside the modules).
#pragma once

#include <cstdint>

#include "bt/core/bfloat16.h"

namespace bt::rows {

template <class T>
struct RmsNormForward {
  const T *x, *weight;  // [rows, width], [width]
  T* y;                 // [rows, width]
  Wide<T>* scale;       // [rows]: 1 / rms
  int64_t width;
  Wide<T> eps, offset;  // offset: added to the weight
  bool rounds_last;     // else x / rms is rounded before the weight multiplies it
};

template <class T>
struct RmsNormBackward {
  const T *x, *weight, *scale, *dy;
  T* dx;
  T* dweight;  // [width], added to; null: not wanted
  int64_t width;
  T offset;
};

// y = (x first half * cos - second half * sin, second half * cos + first half * sin), the half-split layout; every
// product is rounded, as transformers does.
template <class T>
struct Rotation {
  const T *x, *cos, *sin;  // x[n * by_token + h * by_head + i]; cos, sin [tokens, half]
  int64_t by_token, by_head;
  Wide<T> sign;  // -1 turns back
  T* y;          // [tokens, heads, 2 * half]
  int64_t heads, half;
};

// y = x weight^T + bias: one pass over the weight, rounded once.
template <class T>
struct Product {
  const Wide<T>* x;        // [rows, in]
  const T *weight, *bias;  // [out, in]; [out] or null
  T* y;                    // [rows, out]
  int64_t rows, in, out;
  Wide<T>* scratch;  // [4 * in]; of this thread
};

// Rows or tokens [begin, end); outputs [begin, end) of a Product.
void run(const RmsNormForward<float>& work, int64_t begin, int64_t end);
void run(const RmsNormForward<double>& work, int64_t begin, int64_t end);
void run(const RmsNormForward<BFloat16>& work, int64_t begin, int64_t end);
void run(const RmsNormBackward<float>& work, int64_t begin, int64_t end);
void run(const RmsNormBackward<double>& work, int64_t begin, int64_t end);
void run(const Rotation<float>& work, int64_t begin, int64_t end);
void run(const Rotation<double>& work, int64_t begin, int64_t end);
void run(const Rotation<BFloat16>& work, int64_t begin, int64_t end);
void run(const Product<float>& work, int64_t begin, int64_t end);
void run(const Product<BFloat16>& work, int64_t begin, int64_t end);

}  // namespace bt::rows
