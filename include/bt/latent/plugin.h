// Methods outside the tree: shared libraries that register theirs when they are opened (docs/plugin.md).
#pragma once

#include <string>

namespace bt {

// Opens the library; it stays open. Opening it again does nothing. ExitCode::bad_file with the loader's reason.
void open_plugin(const std::string& path);

}  // namespace bt
