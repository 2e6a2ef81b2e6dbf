#include "bt/format/dtype.h"

#include <array>

#include "bt/core/error.h"

namespace bt {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  uint64_t bytes;
};

constexpr std::array<Row, 10> kRows = {{
    {DType::boolean, "BOOL", 1},
    {DType::u8, "U8", 1},
    {DType::i8, "I8", 1},
    {DType::i16, "I16", 2},
    {DType::i32, "I32", 4},
    {DType::i64, "I64", 8},
    {DType::f16, "F16", 2},
    {DType::bf16, "BF16", 2},
    {DType::f32, "F32", 4},
    {DType::f64, "F64", 8},
}};

const Row& row_of(DType dtype) {
  for (const Row& row : kRows) {
    if (row.dtype == dtype) return row;
  }
  BT_ASSERT(false && "unknown DType");
  return kRows[0];
}

}  // namespace

std::string_view dtype_name(DType dtype) { return row_of(dtype).name; }

bool parse_dtype(std::string_view name, DType& dtype) {
  for (const Row& row : kRows) {
    if (row.name == name) {
      dtype = row.dtype;
      return true;
    }
  }
  return false;
}

uint64_t dtype_bytes(DType dtype) { return row_of(dtype).bytes; }

}  // namespace bt
