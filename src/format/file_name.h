// File names that come out of a file (a shard index, a manifest) and must stay in their folder.
#pragma once

#include <string_view>

namespace bt {

// A name without any path: not empty, at most 255 bytes, no separator, no control character, not "." or "..".
inline bool is_plain_file_name(std::string_view name) {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  for (const char c : name) {
    if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

}  // namespace bt
