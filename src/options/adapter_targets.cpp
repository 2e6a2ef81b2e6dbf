#include "adapter_targets.h"

#include <algorithm>

#include "bt/core/error.h"

namespace bt {

void check_targets(const std::vector<std::string>& targets, std::string_view what) {
  if (targets.empty()) {
    fail_usage({.what = std::string(what),
                .where = "latent.targets",
                .expected = "at least one of q, k, v, o, gate, up, down",
                .found = "an empty list"});
  }
  for (auto name = targets.begin(); name != targets.end(); ++name) {
    if (std::find(targets.begin(), name, *name) == name) continue;
    fail_usage({.what = "a projection gets one adapter",
                .where = "latent.targets",
                .expected = "every projection at most once",
                .found = *name + " twice"});
  }
}

}  // namespace bt
