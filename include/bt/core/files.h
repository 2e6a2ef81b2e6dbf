// Files: reading with a size limit, atomic writing, durable folders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bt {

// The whole file. Missing or longer than max_bytes: ExitCode::bad_file; unreadable: ExitCode::io.
std::string read_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 32);

// Writes to a temporary file beside `path`, syncs, renames over it and syncs the folder. ExitCode::io on failure.
void write_file_atomically(const std::string& path, std::string_view bytes);

void sync_file(const std::string& path);    // fsync
void sync_folder(const std::string& path);  // fsync of the folder's entries

// CRC-32 of IEEE 802.3, as zlib's. Bytes in pieces: crc32(second, crc32(first)) == crc32(first + second).
uint32_t crc32(std::string_view bytes, uint32_t seed = 0);
std::string sha256_hex(std::string_view bytes);  // 64 lower-case hex digits

}  // namespace bt
