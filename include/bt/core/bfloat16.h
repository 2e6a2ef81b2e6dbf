// Values and sums of plain CPU loops over float, double or bfloat16 storage. For loops that the compiler clones for
// several processors: everything here is always inlined.
#pragma once

#include <bit>
#include <cstdint>

namespace bt {

struct BFloat16 {
  uint16_t bits;  // the upper half of a float
};

// What sums are made in.
template <class T>
struct WideOf {
  using Type = T;
};
template <>
struct WideOf<BFloat16> {
  using Type = float;
};
template <class T>
using Wide = typename WideOf<T>::Type;

[[gnu::always_inline]] inline float widen(BFloat16 x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}
[[gnu::always_inline]] inline float widen(float x) { return x; }
[[gnu::always_inline]] inline double widen(double x) { return x; }

// To the nearest, ties to even; NaN stays NaN.
[[gnu::always_inline]] inline BFloat16 bfloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return {static_cast<uint16_t>(x != x ? 0x7FC0 : rounded)};
}

template <class T>
[[gnu::always_inline]] inline T narrow(Wide<T> x) {
  if constexpr (sizeof(T) == sizeof(x)) {
    return x;
  } else {
    return bfloat16(x);
  }
}

// As a value of type T would hold it.
template <class T>
[[gnu::always_inline]] inline Wide<T> rounded(Wide<T> x) {
  return widen(narrow<T>(x));
}

}  // namespace bt

// Functions with this mark are compiled for processors with 512-bit vectors, with 256-bit vectors and for all others;
// the loader picks.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define BT_CLONES_512 __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BT_CLONES_512
#endif
