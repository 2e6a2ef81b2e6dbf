// The 8-byte length at the start of a safetensors file, checked before anything is read or allocated by it.
#pragma once

#include <cstdint>
#include <string_view>

namespace bt {

inline constexpr uint64_t kSafetensorsLengthBytes = 8;

// Bytes of the JSON header. `first_bytes`: the start of the file, all 8 of them unless the file is shorter.
uint64_t safetensors_header_length(std::string_view first_bytes, uint64_t file_size, std::string_view source);

}  // namespace bt
