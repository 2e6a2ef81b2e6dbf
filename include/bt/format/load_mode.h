// How weights are read, as users name it: --load of the tools, model.load of a run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bt/format/safetensors.h"

namespace bt {

const std::vector<std::string>& load_mode_names();  // "mmap", "read"
LoadMode load_mode(std::string_view name);          // one of these (asserted)

}  // namespace bt
