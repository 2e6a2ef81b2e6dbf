#include "bt/text/boundaries.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr uint8_t kNewline = 1, kVisible = 2;

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

uint8_t flags_of(std::string_view bytes) {
  const bool newline = bytes.find('\n') != std::string_view::npos;
  const bool visible = !std::all_of(bytes.begin(), bytes.end(), is_ascii_space);
  return static_cast<uint8_t>((newline ? kNewline : 0) | (visible ? kVisible : 0));
}

bool contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

void check_token_ids(const std::vector<int32_t>& ids, int64_t vocab_size) {
  if (ids.empty()) {
    fail_usage({.what = "trigger kind `tokens` has no token ids", .next_step = "list the ids that end a step"});
  }
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size) {
      fail_usage({.what = "trigger token id is outside the vocabulary",
                  .expected = str("0 to ", vocab_size - 1),
                  .found = str(id)});
    }
  }
}

void check_asked(const TriggerOptions& trigger) {
  if (!(trigger.threshold > 0)) {
    fail_usage({.what = "every token would end a step",
                .where = "trigger threshold",
                .expected = "nats above 0",
                .found = str(trigger.threshold)});
  }
  if (trigger.inside_prompt) {
    fail_usage({.what = str("a trigger by ", trigger.kind, " has no boundaries inside the prompt"),
                .where = "trigger inside_prompt",
                .expected = "false",
                .found = "true"});
  }
  if (trigger.kind == "entropy" && trigger.before_boundary_token) {
    fail_usage({.what = "the entropy after a token is known once the model has read it",
                .where = "rewrite_at",
                .expected = "after_newline",
                .found = "before_newline",
                .next_step = "or take the trigger surprise"});
  }
}

}  // namespace

BoundaryTable::BoundaryTable(const Tokenizer& tokenizer, int64_t vocab_size) {
  flags_.resize(static_cast<size_t>(vocab_size));
  const auto known = static_cast<int32_t>(std::min(vocab_size, tokenizer.vocab_size()));
  for (int32_t id = 0; id < known; ++id) flags_[static_cast<size_t>(id)] = flags_of(tokenizer.token_bytes(id));
}

BoundaryTable BoundaryTable::from_ids(int64_t vocab_size, std::span<const int32_t> newline_ids) {
  BoundaryTable table;
  table.flags_.assign(static_cast<size_t>(vocab_size), kVisible);
  for (const int32_t id : newline_ids) {
    BT_ASSERT(id >= 0 && id < vocab_size);
    table.flags_[static_cast<size_t>(id)] = kNewline;
  }
  return table;
}

bool BoundaryTable::any_newline() const {
  return std::any_of(flags_.begin(), flags_.end(), [](uint8_t flags) { return (flags & kNewline) != 0; });
}

bool asks_model(const TriggerOptions& trigger) { return trigger.kind == "entropy" || trigger.kind == "surprise"; }

void check_trigger(const TriggerOptions& trigger, const BoundaryTable& table) {
  if (trigger.min_step_tokens < 0 || trigger.max_calls < 0) {
    fail_usage({.what = "min_step_tokens and max_calls of a trigger may not be negative"});
  }
  if (trigger.kind == "newline") {
    if (table.any_newline()) return;
    fail_usage({.what = "the tokenizer has no token with a newline, so no step would ever end",
                .next_step = "train one with `bt-data train-tokenizer`, or use the trigger every_n, tokens or none"});
  }
  if (trigger.kind == "every_n") {
    if (trigger.every_n >= 1) return;
    fail_usage({.what = "every_n is not a step length", .expected = "at least 1", .found = str(trigger.every_n)});
  }
  if (trigger.kind == "tokens") return check_token_ids(trigger.token_ids, table.vocab_size());
  if (asks_model(trigger)) return check_asked(trigger);
  if (trigger.kind == "none") return;
  fail_usage({.what = "unknown trigger kind",
              .expected = "newline, every_n, tokens, entropy, surprise or none",
              .found = trigger.kind});
}

BoundaryScanner::BoundaryScanner(const BoundaryTable& table, const TriggerOptions& trigger,
                                 std::vector<int32_t> eos_ids)
    : table_(&table), trigger_(trigger), kind_(kind_of(trigger)), eos_ids_(std::move(eos_ids)) {}

BoundaryScanner::Kind BoundaryScanner::kind_of(const TriggerOptions& trigger) {
  if (asks_model(trigger)) return Kind::asks_model;
  if (trigger.kind == "newline") return Kind::newline;
  if (trigger.kind == "every_n") return Kind::every_n;
  return trigger.kind == "tokens" ? Kind::tokens : Kind::none;
}

bool BoundaryScanner::begin_response() {
  in_prompt_ = false;
  visible_ = tokens_ = 0;
  return trigger_.at_prompt_end && !just_fired_ && fire();
}

bool BoundaryScanner::push(int32_t id, double uncertainty) {
  ++length_;
  just_fired_ = false;
  if (contains(eos_ids_, id)) return false;
  ++tokens_;
  visible_ += table_->is_visible(id) ? 1 : 0;
  const bool listening = !in_prompt_ || trigger_.inside_prompt;
  return listening && ends_step(id, uncertainty) && visible_ >= trigger_.min_step_tokens && fire();
}

bool BoundaryScanner::ends_step(int32_t id, double uncertainty) const {
  switch (kind_) {
    case Kind::newline:
      return table_->has_newline(id);
    case Kind::every_n:
      return tokens_ >= trigger_.every_n;
    case Kind::tokens:
      return contains(trigger_.token_ids, id);
    case Kind::asks_model:
      return uncertainty >= trigger_.threshold;
    case Kind::none:
      break;
  }
  return false;
}

bool BoundaryScanner::fire() {
  const int64_t rows = length_ - (trigger_.before_boundary_token ? 1 : 0);
  const bool spent = trigger_.max_calls > 0 && calls_ >= trigger_.max_calls;
  const bool pending = calls_ > 0 && length_ - fired_at_ <= trigger_.lag;
  if (rows <= 0 || spent || pending) return false;
  ++calls_;
  fired_at_ = length_;
  visible_ = tokens_ = 0;
  just_fired_ = true;
  return true;
}

std::vector<int64_t> step_starts(std::span<const int32_t> ids, int64_t prompt_length, const BoundaryTable& table,
                                 const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids,
                                 std::span<const float> uncertainty) {
  const auto length = static_cast<int64_t>(ids.size());
  const int64_t cut_after = trigger.before_boundary_token ? 0 : 1;  // the cut, relative to the boundary token
  BoundaryScanner scanner(table, trigger, eos_ids);
  std::vector<int64_t> starts;
  for (int64_t i = 0; i <= length; ++i) {
    if (i == prompt_length && scanner.begin_response()) starts.push_back(i - 1 + cut_after);
    if (i == length) break;
    const auto at = static_cast<size_t>(i);
    if (scanner.push(ids[at], uncertainty.empty() ? 0 : uncertainty[at])) starts.push_back(i + cut_after);
  }
  if (!starts.empty() && starts.back() == length) starts.pop_back();
  return starts;
}

int64_t step_begin(int64_t previous_cut, int64_t rows, int64_t prompt_length, const TriggerOptions& trigger) {
  const int64_t held_back = trigger.before_boundary_token ? 1 : 0;
  const bool in_response = rows + held_back > prompt_length;
  const bool since_prompt = previous_cut + held_back < prompt_length;
  return in_response && since_prompt ? prompt_length : previous_cut;
}

}  // namespace bt
