#include "bt/format/load_mode.h"

#include "bt/core/error.h"

namespace bt {

const std::vector<std::string>& load_mode_names() {
  static const std::vector<std::string> names = {"mmap", "read"};
  return names;
}

LoadMode load_mode(std::string_view name) {
  BT_ASSERT(name == "mmap" || name == "read");
  return name == "mmap" ? LoadMode::mmap : LoadMode::read;
}

}  // namespace bt
