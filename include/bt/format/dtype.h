// Element types of tensor files, by their safetensors names. Types that nothing here computes with (F8, U16, ...) are
// left out: a file that holds one is refused by name.
#pragma once

#include <cstdint>
#include <string_view>

namespace bt {

enum class DType : uint8_t { boolean, u8, i8, i16, i32, i64, f16, bf16, f32, f64 };

std::string_view dtype_name(DType dtype);               // "F32"
bool parse_dtype(std::string_view name, DType& dtype);  // false for an unknown name
uint64_t dtype_bytes(DType dtype);

}  // namespace bt
