#include "split_step.h"

#include <algorithm>

namespace bt::hf {
namespace {

struct Part {
  Span span;
  bool is_match;
};

// The whole word as matches and what lies between them.
void cover(size_t length, const std::vector<Span>& matches, bool invert, std::vector<Part>& parts) {
  parts.clear();
  size_t done = 0;
  for (const Span& match : matches) {
    if (match.begin > done) parts.push_back({{done, match.begin}, invert});
    parts.push_back({match, !invert});
    done = match.end;
  }
  if (done < length) parts.push_back({{done, length}, invert});
}

// `joins(part, is_match of the part before)`: the part belongs to the one before.
template <class Joins>
void merge_parts(std::vector<Part>& parts, const Joins& joins) {
  size_t kept = 0;
  bool previous = false;
  for (const Part& part : parts) {
    if (kept > 0 && joins(part, previous)) {
      parts[kept - 1].span.begin = std::min(parts[kept - 1].span.begin, part.span.begin);
      parts[kept - 1].span.end = std::max(parts[kept - 1].span.end, part.span.end);
    } else {
      parts[kept++].span = part.span;
    }
    previous = part.is_match;
  }
  parts.resize(kept);
}

bool is_first_match(const Part& part, bool previous) { return part.is_match && !previous; }

void arrange(std::vector<Part>& parts, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::isolated:
      return;
    case SplitBehavior::removed:
      std::erase_if(parts, [](const Part& part) { return part.is_match; });
      return;
    case SplitBehavior::contiguous:
      return merge_parts(parts, [](const Part& part, bool previous) { return part.is_match == previous; });
    case SplitBehavior::merged_with_previous:
      return merge_parts(parts, is_first_match);
    case SplitBehavior::merged_with_next:
      std::reverse(parts.begin(), parts.end());
      merge_parts(parts, is_first_match);
      std::reverse(parts.begin(), parts.end());
      return;
  }
}

}  // namespace

SplitBehavior split_behavior(const Component& component) {
  const std::string& name = component.text("behavior");
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  component.refuse("behavior", "unknown value", "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

void SplitStep::apply(Words& words) const {
  std::vector<Span> out, matches;
  std::vector<Part> parts;
  for (size_t i = 0; i < words.spans.size(); ++i) {
    const Span span = words.spans[i];
    const std::string_view word = words.word(span);
    pattern_.find_all(word, matches);
    cover(word.size(), matches, invert_, parts);
    arrange(parts, behavior_);
    if (i == 0 && !parts.empty() && parts.front().span.begin > 0) words.at_start = false;
    for (const Part& part : parts) {
      if (part.span.end > part.span.begin) out.push_back({span.begin + part.span.begin, span.begin + part.span.end});
    }
  }
  words.spans = std::move(out);
}

}  // namespace bt::hf
