// Room on a disk, asked for before a large file is written.
#pragma once

#include <cstdint>
#include <string>

namespace bt {

// ExitCode::io naming folder, needed and free bytes when the file system of `folder` has fewer than `bytes` bytes free
// for this user.
void check_free_space(const std::string& folder, uint64_t bytes);

}  // namespace bt
