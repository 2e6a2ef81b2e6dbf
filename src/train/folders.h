// Folders of a run: removed and replaced as a whole. ExitCode::io.
#pragma once

#include <string>

namespace bt {

void remove_folder(const std::string& folder);

// Puts `made` in the place of `folder`: by an exchange where the file system has one, so that there is always a whole
// folder of that name. Synced.
void replace_folder(const std::string& made, const std::string& folder);

}  // namespace bt
