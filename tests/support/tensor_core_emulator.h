// The wrappers of kernels/tensor_cores.cuh on a host, with the fragment layouts of the PTX manual (sections "Matrix
// Fragments for mma.m16n8k16" and "ldmatrix"). A copy lands as late as it may, when its thread waits for it, or in one
// of the orders of threads at once: a kernel that reads too early, or overwrites what others still read, gives other
// results.
#pragma once

#include <deque>
#include <vector>

#include "support/cuda_emulator.h"

namespace bt::emulator {

struct Fragments {
  uint32_t a[4], b[2];
};

inline float widened(EmulatedBfloat16 x) { return __bfloat162float(x); }
inline float widened(_Float16 x) { return __half2float(x); }

// Number `half` (0 low, 1 high) of a register.
template <class T>
float number_of(uint32_t bits, int half) {
  const auto part = static_cast<uint16_t>(bits >> (16 * half));
  T x;
  std::memcpy(&x, &part, sizeof(x));
  return widened(x);
}

// a[row][k] and b[k][column] out of the registers of all lanes.
template <class T>
float a_of(const Fragments (&lanes)[32], int row, int k) {
  const int quad = row % 8, pair = k % 8 / 2, reg = row / 8 + 2 * (k / 8);
  return number_of<T>(lanes[4 * quad + pair].a[reg], k % 2);
}
template <class T>
float b_of(const Fragments (&lanes)[32], int k, int column) {
  return number_of<T>(lanes[4 * column + k % 8 / 2].b[k / 8], k % 2);
}

struct Copy {
  void* to;
  const void* from;  // null: zeros
};
struct Copies {
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
};
inline void land(const Copy& copy) {
  if (copy.from != nullptr) {
    std::memcpy(copy.to, copy.from, 16);
  } else {
    std::memset(copy.to, 0, 16);
  }
}
inline Copies& copies_of_thread() {
  static Copies of_thread[1024];
  return of_thread[current().index.x];
}

}  // namespace bt::emulator

namespace bt::kernels {

template <class T>
void multiply_add(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulator::Fragments own, lanes[32];
  std::memcpy(own.a, a, sizeof(own.a));
  std::memcpy(own.b, b, sizeof(own.b));
  const unsigned char* all = emulator::exchange(0xffffffffu, &own, sizeof(own));
  for (int lane = 0; lane < 32; ++lane) std::memcpy(&lanes[lane], all + emulator::kSlot * lane, sizeof(own));
  const int lane = static_cast<int>(emulator::current().lane());
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
    double sum = static_cast<double>(c[i]);  // the manual leaves the order of sums open: none is rounded here
    for (int k = 0; k < 16; ++k) sum += emulator::a_of<T>(lanes, row, k) * emulator::b_of<T>(lanes, k, column);
    c[i] = static_cast<float>(sum);
  }
}

template <class T>
void load_transposed(uint32_t (&to)[4], const T* row_in_shared) {
  const T* rows[32];
  const unsigned char* all = emulator::exchange(0xffffffffu, &row_in_shared, sizeof(row_in_shared));
  for (int lane = 0; lane < 32; ++lane) std::memcpy(&rows[lane], all + emulator::kSlot * lane, sizeof(rows[lane]));
  const int lane = static_cast<int>(emulator::current().lane());
  for (int matrix = 0; matrix < 4; ++matrix) {
    T pair[2];
    for (int i = 0; i < 2; ++i) pair[i] = rows[8 * matrix + 2 * (lane % 4) + i][lane / 4];
    std::memcpy(&to[matrix], pair, sizeof(pair));
  }
}

template <class T>
void copy_async(T* to_shared, const T* from_global, bool valid) {
  const emulator::Copy copy{to_shared, valid ? from_global : nullptr};
  if (emulator::order() == emulator::Order::descending) return emulator::land(copy);
  emulator::copies_of_thread().open.push_back(copy);
}
inline void commit_copies() {
  emulator::Copies& copies = emulator::copies_of_thread();
  copies.groups.push_back(std::move(copies.open));
  copies.open.clear();
}
template <int Open>
void wait_for_copies() {
  auto& groups = emulator::copies_of_thread().groups;
  for (; groups.size() > Open; groups.pop_front()) {
    for (const emulator::Copy& copy : groups.front()) emulator::land(copy);
  }
}

inline float fast_exp2(float x) {
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0 : y;
}
inline float fast_divide(float x, float y) { return y < 0x1p126f ? x / y : 0; }

}  // namespace bt::kernels
