// Splitting words at the matches of a pattern.
#pragma once

#include "pre_tokenizer.h"

namespace bt::hf {

// What becomes of the matches ("delimiters").
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };
SplitBehavior split_behavior(const Component& component);  // of its key "behavior"

class SplitStep final : public PreTokenizerStep {
 public:
  // `invert`: what lies between the matches is the delimiter.
  SplitStep(SearchPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(Words& words) const override;

 private:
  SearchPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace bt::hf
