// The post-processor: special tokens around a text.
#pragma once

#include <cstdint>
#include <vector>

#include "component.h"

namespace bt::hf {

struct SpecialFrame {
  std::vector<int32_t> before, after;
};

// For a single text. ExitCode::bad_file for a type that is not supported.
SpecialFrame read_post_processor(const Component& component);

}  // namespace bt::hf
