// What the lists of adapted projections have in common.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bt {

// ExitCode::usage unless latent.targets names at least one projection, and each once. `what` is wrong with an empty
// list.
void check_targets(const std::vector<std::string>& targets, std::string_view what);

}  // namespace bt
