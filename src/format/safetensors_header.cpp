#include <algorithm>
#include <tuple>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "safetensors_length.h"

namespace bt {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kMaxTensors = 100'000;            // of one file; the largest models have as many in hundreds of files
constexpr size_t kMaxRank = 8;
constexpr std::ptrdiff_t kMaxCommas = 15 * kMaxTensors;  // a tensor of that rank has 12, metadata text may have more
constexpr size_t kMaxNameBytes = 1024;
constexpr std::string_view kMetadataKey = "__metadata__";

std::string place(std::string_view source, std::string_view name) {
  return str(source, ": tensor ", Json(name.substr(0, 200)).dump());
}

std::map<std::string, std::string> parse_metadata(const Json& value, std::string_view source) {
  std::map<std::string, std::string> metadata;
  const std::string where = str(source, ": ", kMetadataKey);
  for (const auto& [key, text] : value.as_object(where)) metadata[key] = text.as_string(str(where, ".", key));
  return metadata;
}

DType parse_tensor_dtype(const Json& value, const std::string& where) {
  const std::string& name = value.as_string(where);
  DType dtype;
  if (!parse_dtype(name, dtype)) {
    fail_bad_file({.what = "unsupported element type",
                   .where = where,
                   .expected = "BOOL, U8, I8, I16, I32, I64, F16, BF16, F32 or F64",
                   .found = name.substr(0, 200),
                   .next_step = "convert the tensor to one of these types"});
  }
  return dtype;
}

std::vector<int64_t> parse_shape(const Json& value, const std::string& where) {
  const Json::Array& items = value.as_array(where);
  if (items.size() > kMaxRank) {
    fail_bad_file({.what = "too many dimensions",
                   .where = where,
                   .expected = str("at most ", kMaxRank),
                   .found = str(items.size())});
  }
  std::vector<int64_t> shape;
  for (const Json& item : items) shape.push_back(checked_cast<int64_t>(item.as_uint(where), where));
  return shape;
}

// Fills begin and end, which must hold exactly the elements of dtype and shape.
void parse_offsets(const Json& value, const std::string& where, TensorEntry& entry) {
  const Json::Array& items = value.as_array(where);
  if (items.size() != 2) {
    fail_bad_file({.what = "data_offsets must be [begin, end]",
                   .where = where,
                   .expected = "2 integers",
                   .found = str(items.size(), " values")});
  }
  entry.begin = items[0].as_uint(where);
  entry.end = items[1].as_uint(where);
  if (entry.end < entry.begin) {
    fail_bad_file(
        {.what = "data ends before it begins", .where = where, .found = str("[", entry.begin, ", ", entry.end, "]")});
  }
  uint64_t bytes = 1;
  for (const int64_t size : entry.shape) bytes = checked_mul(bytes, static_cast<uint64_t>(size), where);
  bytes = checked_mul(bytes, dtype_bytes(entry.dtype), where);
  if (entry.end - entry.begin != bytes) {
    fail_bad_file({.what = "data size differs from dtype and shape",
                   .where = where,
                   .expected = str(bytes, " bytes"),
                   .found = str(entry.end - entry.begin, " bytes")});
  }
}

// Before a tree of them is made, which takes many times the header's memory.
void check_number_of_values(std::string_view json, std::string_view source) {
  const std::ptrdiff_t commas = std::count(json.begin(), json.end(), ',');
  if (commas <= kMaxCommas) return;
  fail_bad_file({.what = "too many values in the header",
                 .where = std::string(source),
                 .expected = str("at most ", kMaxCommas, " commas"),
                 .found = str(commas)});
}

TensorEntry parse_entry(const std::string& name, const Json& value, std::string_view source) {
  const std::string where = place(source, name);
  if (name.size() > kMaxNameBytes) {
    fail_bad_file({.what = "tensor name is too long",
                   .where = where,
                   .expected = str("at most ", kMaxNameBytes, " bytes"),
                   .found = str(name.size(), " bytes")});
  }
  for (const auto& [key, ignored] : value.as_object(where)) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      fail_bad_file({.what = "unknown key",
                     .where = where,
                     .expected = "dtype, shape and data_offsets",
                     .found = Json(key.substr(0, 200)).dump()});
    }
  }
  TensorEntry entry;
  entry.name = name;
  entry.dtype = parse_tensor_dtype(value.at("dtype", where), where);
  entry.shape = parse_shape(value.at("shape", where), where);
  parse_offsets(value.at("data_offsets", where), where, entry);
  return entry;
}

// Sorts the tensors by their data and checks that they fill the data section without hole or overlap.
void check_layout(std::vector<TensorEntry>& tensors, uint64_t data_begin, uint64_t file_size, std::string_view source) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t expected = 0;
  for (const TensorEntry& entry : tensors) {
    if (entry.begin != expected) {
      fail_bad_file(
          {.what = entry.begin < expected ? "data overlaps the tensor before it" : "unused bytes before the data",
           .where = place(source, entry.name),
           .expected = str("begin = ", expected),
           .found = str("begin = ", entry.begin)});
    }
    expected = entry.end;
  }
  const uint64_t needed = checked_add(data_begin, expected, source);
  if (needed > file_size) {
    fail_bad_file({.what = "file truncated",
                   .where = std::string(source),
                   .expected = str(needed, " bytes"),
                   .found = str(file_size, " bytes"),
                   .next_step = "copy or download the file again"});
  }
  if (needed < file_size) {
    fail_bad_file({.what = "bytes after the last tensor",
                   .where = std::string(source),
                   .expected = str(needed, " bytes"),
                   .found = str(file_size, " bytes")});
  }
}

}  // namespace

uint64_t safetensors_header_length(std::string_view first_bytes, uint64_t file_size, std::string_view source) {
  if (file_size < kSafetensorsLengthBytes || first_bytes.size() < kSafetensorsLengthBytes) {
    fail_bad_file({.what = "not a safetensors file",
                   .where = std::string(source),
                   .expected = "at least 8 bytes",
                   .found = str(file_size, " bytes")});
  }
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(first_bytes[static_cast<size_t>(i)]);
  if (length > kMaxHeaderBytes) {
    fail_bad_file({.what = "header is too long",
                   .where = std::string(source),
                   .expected = str("at most ", kMaxHeaderBytes, " bytes"),
                   .found = str(length, " bytes"),
                   .next_step = "check that this is a safetensors file"});
  }
  if (length > file_size - kSafetensorsLengthBytes) {
    fail_bad_file({.what = "file truncated",
                   .where = std::string(source),
                   .expected = str("at least ", kSafetensorsLengthBytes + length, " bytes"),
                   .found = str(file_size, " bytes"),
                   .next_step = "copy or download the file again"});
  }
  return length;
}

SafetensorsHeader parse_safetensors_header(std::string_view bytes, uint64_t file_size, std::string_view source) {
  const uint64_t length = safetensors_header_length(bytes, file_size, source);
  BT_ASSERT(bytes.size() - kSafetensorsLengthBytes >= length);
  const std::string_view text = bytes.substr(kSafetensorsLengthBytes, length);
  check_number_of_values(text, source);
  const Json json = Json::parse(text, str(source, " (header)"));
  const Json::Object& members = json.as_object(str(source, ": header"));
  if (members.size() > kMaxTensors) {
    fail_bad_file({.what = "too many tensors",
                   .where = std::string(source),
                   .expected = str("at most ", kMaxTensors),
                   .found = str(members.size())});
  }
  SafetensorsHeader header;
  header.data_begin = kSafetensorsLengthBytes + length;
  for (const auto& [name, value] : members) {
    if (name == kMetadataKey) {
      header.metadata = parse_metadata(value, source);
    } else {
      header.tensors.push_back(parse_entry(name, value, source));
    }
  }
  check_layout(header.tensors, header.data_begin, file_size, source);
  return header;
}

}  // namespace bt
