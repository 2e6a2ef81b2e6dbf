// Step boundaries as functions of token ids alone (docs: "Step boundary" in docs/design.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bt/text/tokenizer.h"

namespace bt {

// Two bits per vocabulary entry, computed once per tokenizer: the token's bytes hold a newline; they hold a visible
// character (anything but ASCII white space).
class BoundaryTable {
 public:
  BoundaryTable() = default;
  explicit BoundaryTable(const Tokenizer& tokenizer);
  // For models without a tokenizer (tests, benches): the ids that end a step; every other id is visible.
  static BoundaryTable from_ids(int64_t vocab_size, std::span<const int32_t> newline_ids);
  int64_t vocab_size() const { return static_cast<int64_t>(flags_.size()); }
  bool has_newline(int32_t id) const { return (flags_[static_cast<size_t>(id)] & 1) != 0; }
  bool is_visible(int32_t id) const { return (flags_[static_cast<size_t>(id)] & 2) != 0; }
  bool any_newline() const;

 private:
  std::vector<uint8_t> flags_;
};

// When a boundary fires. Shared by plans (teacher forcing) and decoding.
struct TriggerOptions {
  std::string kind = "newline";      // newline | every_n | tokens | none
  int64_t every_n = 16;              // every_n: tokens per step
  std::vector<int32_t> token_ids;    // tokens: ids that end a step
  int64_t min_step_tokens = 1;       // tokens with a visible character a step needs before it may end
  bool at_prompt_end = true;         // the end of the prompt is a boundary
  bool inside_prompt = false;        // newlines inside the prompt are boundaries too
  int64_t max_calls = 0;             // boundaries acted on per sequence, 0: no limit (the prompt's end counts)
  bool before_boundary_token = false;  // rewrite_at: before_newline; the boundary token opens the next step
};

// Feeds tokens one at a time and says after each whether a boundary fires there. EOS never fires.
class BoundaryScanner {
 public:
  BoundaryScanner(const BoundaryTable& table, const TriggerOptions& trigger, std::vector<int32_t> eos_ids);
  void begin_response();         // forget the open step: the prompt has ended
  bool push(int32_t id);         // true: a boundary fires at this token
 private:
  const BoundaryTable* table_;
  TriggerOptions trigger_;
  std::vector<int32_t> eos_ids_;
  int64_t visible_ = 0, tokens_ = 0;
};

// The first token index of every step after the first, ascending: with the default timing the token after a boundary
// token; with before_boundary_token the boundary token itself. `prompt_length` tokens come before the response; the
// prompt's end, when a boundary, is reported as prompt_length (or prompt_length - 1 with before_boundary_token).
// A boundary after which no token follows is not reported.
std::vector<int64_t> step_starts(std::span<const int32_t> ids, int64_t prompt_length, const BoundaryTable& table,
                                 const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids);

}  // namespace bt
