// Overflow-safe integer arithmetic for sizes that come from files and configs.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include "bt/core/error.h"

namespace bt {

[[noreturn]] void fail_overflow(std::string_view what);  // ExitCode::bad_file

// a * b and a + b, or an error that names `what`.
template <class Int>
Int checked_mul(Int a, Int b, std::string_view what) {
  Int out;
  if (__builtin_mul_overflow(a, b, &out)) fail_overflow(what);
  return out;
}

template <class Int>
Int checked_add(Int a, Int b, std::string_view what) {
  Int out;
  if (__builtin_add_overflow(a, b, &out)) fail_overflow(what);
  return out;
}

// The value in another integer type, or an error that names `what`.
template <class To, class From>
To checked_cast(From value, std::string_view what) {
  static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
  To out;
  if (__builtin_add_overflow(value, From{0}, &out)) fail_overflow(what);
  return out;
}

}  // namespace bt
