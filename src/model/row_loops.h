// Plain loops behind RMSNorm and rotary embedding on the CPU, for rows too short to make a chain of tensor operations
// worth its while. Free of LibTorch and compiled with optimisation of their own (CMakeLists.txt beside the modules).
#pragma once

#include <cstdint>

namespace bt::rows {

template <class T>
struct RmsNormForward {
  const T *x, *weight;  // [rows, width], [width]
  T *y, *scale;         // [rows, width], [rows]: 1 / rms
  int64_t width;
  T eps, offset;  // offset: added to the weight
};

template <class T>
struct RmsNormBackward {
  const T *x, *weight, *scale, *dy;
  T* dx;
  T* dweight;  // [width], added to; null: not wanted
  int64_t width;
  T offset;
};

// y = (x first half * cos - second half * sin, second half * cos + first half * sin), the half-split layout.
template <class T>
struct Rotation {
  const T *x, *cos, *sin;  // x[n * by_token + h * by_head + i]; cos, sin [tokens, half]
  int64_t by_token, by_head;
  T sign;  // -1 turns back
  T* y;    // [tokens, heads, 2 * half]
  int64_t heads, half;
};

// Rows or tokens [begin, end).
void run(const RmsNormForward<float>& work, int64_t begin, int64_t end);
void run(const RmsNormForward<double>& work, int64_t begin, int64_t end);
void run(const RmsNormBackward<float>& work, int64_t begin, int64_t end);
void run(const RmsNormBackward<double>& work, int64_t begin, int64_t end);
void run(const Rotation<float>& work, int64_t begin, int64_t end);
void run(const Rotation<double>& work, int64_t begin, int64_t end);

}  // namespace bt::rows
