// Where the steps of a text end (docs/architecture.md, "Step boundaries").
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bt/text/tokenizer.h"

namespace bt {

// Two bits per entry of a model's vocabulary, computed once: the token's bytes hold a newline; they hold a visible
// character (anything but ASCII white space). Entries that the tokenizer does not have, of a padded head, stand for no
// text.
class BoundaryTable {
 public:
  BoundaryTable() = default;
  BoundaryTable(const Tokenizer& tokenizer, int64_t vocab_size);
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
  std::string kind = "newline";        // newline | every_n | tokens | entropy | surprise | none
  int64_t every_n = 16;                // every_n: tokens per step
  std::vector<int32_t> token_ids;      // tokens: ids that end a step
  double threshold = 1;                // entropy, surprise: nats that end a step
  bool live = false;                   // entropy, surprise of given texts: by the model as it runs with the method
  int64_t min_step_tokens = 1;         // tokens with a visible character a step needs before it may end
  bool at_prompt_end = true;           // the end of the prompt is a boundary
  bool inside_prompt = false;          // newlines inside the prompt are boundaries too
  int64_t max_calls = 0;               // boundaries acted on per sequence, 0: no limit (the prompt's end counts)
  bool before_boundary_token = false;  // rewrite_at: before_newline; the boundary token opens the next step
  int64_t lag = 0;                     // rewrite_lag: tokens from a boundary until what was done there shows
};

// Kinds that ask what a model predicts. Both in nats: `entropy` of the distribution that follows a token, `surprise`
// -log p of the token itself.
bool asks_model(const TriggerOptions& trigger);

// Refuses options that no sequence could obey: an unknown kind, every_n < 1, ids outside the vocabulary, newline steps
// with a tokenizer that has no newline token, or a model asked about its prompt, or about a token it has not read.
// ExitCode::usage.
void check_trigger(const TriggerOptions& trigger, const BoundaryTable& table);

// Feeds a whole sequence one token at a time (prompt, begin_response, response) and says where a boundary fires. The
// same tokens fire with either timing; before_boundary_token only moves the cut in front of the token. EOS never fires,
// nor does a boundary with nothing before the cut, or one that comes while the one before has not landed (`lag`). The
// table must outlive the scanner.
class BoundaryScanner {
 public:
  BoundaryScanner(const BoundaryTable& table, const TriggerOptions& trigger, std::vector<int32_t> eos_ids);
  // The prompt has ended: forgets the open step. True: the prompt's end is a boundary, and not the one that the last
  // push has already reported.
  bool begin_response();
  // True: a boundary fires at this token. `uncertainty`: of the token, where the trigger asks a model. Precondition: 0
  // <= id < vocab_size().
  bool push(int32_t id, double uncertainty = 0);
  int64_t calls() const { return calls_; }  // boundaries fired so far; never more than max_calls, if that is set

 private:
  enum class Kind { newline, every_n, tokens, asks_model, none };
  static Kind kind_of(const TriggerOptions& trigger);
  bool ends_step(int32_t id, double uncertainty) const;
  bool fire();

  const BoundaryTable* table_;
  TriggerOptions trigger_;
  Kind kind_;
  std::vector<int32_t> eos_ids_;
  bool in_prompt_ = true;
  bool just_fired_ = false;           // at the last token pushed
  int64_t visible_ = 0, tokens_ = 0;  // of the open step
  int64_t length_ = 0, calls_ = 0;    // of the sequence
  int64_t fired_at_ = 0;              // length_ when the last boundary fired
};

// The first token index of every step after the first, strictly ascending: with the default timing the token after a
// boundary token; with before_boundary_token the boundary token itself. `prompt_length` tokens come before the
// response; the prompt's end, when a boundary, is reported as prompt_length (prompt_length - 1 with
// before_boundary_token).
// A boundary with no token before or after the cut is not reported. Equals BoundaryScanner on the same tokens.
// `uncertainty`: per token, where the trigger asks a model; empty: no token fires such a trigger.
std::vector<int64_t> step_starts(std::span<const int32_t> ids, int64_t prompt_length, const BoundaryTable& table,
                                 const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids,
                                 std::span<const float> uncertainty = {});

// The first row of the step that a boundary closes with `rows` entries cached, where the cut before it was at
// `previous_cut` (0: none). A response step never reaches back into the prompt, except for the prompt token that
// before_boundary_token holds back; so where the prompt's end is no boundary, a step may be empty (== rows).
int64_t step_begin(int64_t previous_cut, int64_t rows, int64_t prompt_length, const TriggerOptions& trigger);

}  // namespace bt
