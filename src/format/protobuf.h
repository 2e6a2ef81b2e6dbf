// The few pieces of the protobuf wire format that event files need.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace bt::protobuf {

template <class Unsigned>
void append_fixed(std::string& out, Unsigned value) {  // little-endian
  for (size_t i = 0; i < sizeof(value); ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

inline void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

enum class WireType : uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

inline void append_tag(std::string& out, uint64_t field, WireType type) {
  append_varint(out, field << 3 | static_cast<uint64_t>(type));
}

inline void append_integer(std::string& out, uint64_t field, int64_t value) {
  append_tag(out, field, WireType::varint);
  append_varint(out, static_cast<uint64_t>(value));
}

inline void append_double(std::string& out, uint64_t field, double value) {
  append_tag(out, field, WireType::fixed64);
  append_fixed(out, std::bit_cast<uint64_t>(value));
}

inline void append_float(std::string& out, uint64_t field, float value) {
  append_tag(out, field, WireType::fixed32);
  append_fixed(out, std::bit_cast<uint32_t>(value));
}

inline void append_bytes(std::string& out, uint64_t field, std::string_view bytes) {  // string or nested message
  append_tag(out, field, WireType::bytes);
  append_varint(out, bytes.size());
  out += bytes;
}

}  // namespace bt::protobuf
