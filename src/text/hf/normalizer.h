// The normaliser: what a text undergoes before it is split into words.
#pragma once

#include <memory>
#include <string>

#include "component.h"

namespace bt::hf {

// A stretch of text between added tokens.
struct Section {
  std::string text;
  bool at_start = false;  // its first character is the first of the whole text
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(Section& section) const = 0;
};

// ExitCode::bad_file for a type that is not supported.
std::unique_ptr<Normalizer> make_normalizer(const Component& component);

}  // namespace bt::hf
