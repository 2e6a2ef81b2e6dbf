// Files: reading with a size limit, atomic writing, durable folders, standard output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bt {

// The whole file. Missing or longer than max_bytes: ExitCode::bad_file; unreadable: ExitCode::io.
std::string read_file(const std::string& path, uint64_t max_bytes = uint64_t{1} << 32);

// Writes to a temporary file beside `path`, syncs, renames over it and syncs the folder. ExitCode::io on failure.
void write_file_atomically(const std::string& path, std::string_view bytes);

void make_folders(const std::string& path);  // with those above it, where they are missing; ExitCode::io

// Asked before long work: ExitCode::io where a file, or one in a folder that is made with those above it, could not be
// written later. Change nothing on disk. What exists is replaced only where it is a plain file.
void check_writable_file(const std::string& path);
void check_writable_folder(const std::string& path);

// To standard output, at once. ExitCode::io where that cannot take it, or an earlier text.
void print(std::string_view text);

void sync_file(const std::string& path);    // fsync
void sync_folder(const std::string& path);  // fsync of the folder's entries

// CRC-32 of IEEE 802.3, as zlib's. Bytes in pieces: crc32(second, crc32(first)) == crc32(first + second).
uint32_t crc32(std::string_view bytes, uint32_t seed = 0);
std::string sha256_hex(std::string_view bytes);  // 64 lower-case hex digits

}  // namespace bt
