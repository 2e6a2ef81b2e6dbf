#include "hf_tokenizer.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/text/python_str.h"

namespace bt::hf {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;

std::unique_ptr<Normalizer> read_normalizer(const Component& file) {
  return file.find("normalizer") == nullptr ? nullptr : make_normalizer(file.child("normalizer"));
}

// Both are settings of a call there; nothing is cut or padded here.
void warn_of_cutting(const Component& file) {
  for (const char* key : {"truncation", "padding"}) {
    if (file.find(key) != nullptr) log::warning(file.place(key) + " is ignored: texts keep their length");
  }
}

}  // namespace

HfTokenizer::HfTokenizer(const Component& file, TokenizerFiles files)
    : files_(std::move(files)),
      normalizer_(read_normalizer(file)),
      model_(file.child("model")),
      added_(file, model_.vocabulary(), normalizer_.get()) {
  if (file.find("pre_tokenizer") != nullptr) pre_tokenizer_ = PreTokenizer(file.child("pre_tokenizer"));
  if (file.find("decoder") != nullptr) decoder_ = TokenDecoder(file.child("decoder"));
  if (file.find("post_processor") != nullptr) frame_ = read_post_processor(file.child("post_processor"));
  check_frame(file);
  warn_of_cutting(file);
  bos_ = configured_id("bos_token");
  eos_ = configured_id("eos_token");
  pad_ = configured_id("pad_token");
}

int64_t HfTokenizer::vocab_size() const {
  return std::max<int64_t>(model_.vocabulary().size(), added_.highest_id() + int64_t{1});
}

void HfTokenizer::check(int32_t id) const {
  if (id >= 0 && id < vocab_size()) return;
  fail_bad_file(
      {.what = "token id is outside the vocabulary", .expected = str("0 to ", vocab_size() - 1), .found = str(id)});
}

void HfTokenizer::check_frame(const Component& file) const {
  for (const std::vector<int32_t>* side : {&frame_.before, &frame_.after}) {
    for (const int32_t id : *side) {
      if (id < vocab_size()) continue;
      fail_bad_file({.what = "a special token's id is outside the vocabulary",
                     .where = file.place("post_processor"),
                     .expected = str("0 to ", vocab_size() - 1),
                     .found = str(id)});
    }
  }
}

int32_t HfTokenizer::id_of(std::string_view token) const {
  const int32_t added = added_.id_of(token);
  return added == kNoToken ? model_.vocabulary().id_of(token) : added;
}

std::optional<int32_t> HfTokenizer::configured_id(std::string_view key) const {
  const auto token = files_.special_token(key);
  if (!token) return std::nullopt;
  const int32_t id = id_of(*token);
  if (id != kNoToken) return id;
  log::warning(str(files_.path(), ": ", key, " is ", quoted_excerpt(*token), ", which the vocabulary lacks"));
  return std::nullopt;
}

std::vector<int32_t> HfTokenizer::encode(std::string_view text, bool add_special) const {
  std::vector<int32_t> ids;
  if (add_special) ids = frame_.before;
  const std::unique_lock lock(workspace_in_use_, std::try_to_lock);
  if (lock.owns_lock()) {
    encode_text(text, workspace_, ids);
  } else {
    BpeWorkspace own;
    encode_text(text, own, ids);
  }
  if (add_special) ids.insert(ids.end(), frame_.after.begin(), frame_.after.end());
  return ids;
}

void HfTokenizer::encode_text(std::string_view text, BpeWorkspace& workspace, std::vector<int32_t>& ids) const {
  std::string mended;
  if (!is_valid_utf8(text)) text = mended = valid_utf8(text);
  for (const AddedTokens::Stretch& stretch : added_.cut(text, false)) {
    if (stretch.id != kNoToken) {
      ids.push_back(stretch.id);
      continue;
    }
    Section section{std::string(text.substr(stretch.span.begin, stretch.span.end - stretch.span.begin)),
                    stretch.span.begin == 0};
    if (normalizer_) normalizer_->apply(section);
    encode_section(std::move(section), workspace, ids);
  }
}

// A normalised section: added tokens are searched for once more, what is left becomes words.
void HfTokenizer::encode_section(Section section, BpeWorkspace& workspace, std::vector<int32_t>& ids) const {
  Words words;
  for (const AddedTokens::Stretch& stretch : added_.cut(section.text, true)) {
    if (stretch.id != kNoToken) {
      ids.push_back(stretch.id);
      continue;
    }
    const size_t size = stretch.span.end - stretch.span.begin;
    words.text = size == section.text.size() ? std::move(section.text) : section.text.substr(stretch.span.begin, size);
    words.at_start = section.at_start && stretch.span.begin == 0;
    words.spans.assign(1, Span{0, size});
    pre_tokenizer_.split(words);
    for (const Span& span : words.spans) {
      model_.encode(words.word(span), pre_tokenizer_.spells_bytes(), workspace, ids);
    }
  }
}

std::string_view HfTokenizer::text_of(int32_t id) const {
  const AddedToken* added = added_.find(id);
  return added == nullptr ? model_.vocabulary().token_of(id) : std::string_view(added->pattern);
}

bool HfTokenizer::is_skipped(int32_t id) const { return added_.is_special_text(text_of(id)); }

bool HfTokenizer::is_special(int32_t id) const {
  check(id);
  return is_skipped(id);
}

std::string HfTokenizer::token_bytes(int32_t id) const {
  check(id);
  return is_skipped(id) ? std::string() : decoder_.bytes_of(text_of(id));
}

// The decoder's steps in a row, each passing its output on to the next.
class HfTokenizer::DecodingTokens final : public Decoding {
 public:
  DecodingTokens(const HfTokenizer& tokenizer, bool skip_special)
      : tokenizer_(tokenizer), skip_special_(skip_special), steps_(tokenizer.decoder_.start()) {}

  void push(int32_t id, std::string& out) override {
    tokenizer_.check(id);
    const bool has_token = tokenizer_.added_.find(id) != nullptr || tokenizer_.model_.vocabulary().has(id);
    if (!has_token || (skip_special_ && tokenizer_.is_skipped(id))) return;
    pass(0, tokenizer_.text_of(id), out);
  }

  void finish(std::string& out) override {
    for (size_t i = 0; i < steps_.size(); ++i) {
      steps_[i]->finish([&](std::string_view text) { pass(i + 1, text, out); });
    }
  }

 private:
  void pass(size_t step, std::string_view text, std::string& out) {
    if (step == steps_.size()) {
      out += text;
    } else {
      steps_[step]->push(text, [&](std::string_view next) { pass(step + 1, next, out); });
    }
  }

  const HfTokenizer& tokenizer_;
  bool skip_special_;
  std::vector<std::unique_ptr<DecodeStep>> steps_;
};

std::unique_ptr<Tokenizer::Decoding> HfTokenizer::start_decoding(bool skip_special) const {
  return std::make_unique<DecodingTokens>(*this, skip_special);
}

}  // namespace bt::hf

namespace bt {

std::unique_ptr<Tokenizer> load_hf_tokenizer(const std::string& file) {
  TokenizerFiles files(file, hf::kMaxFileBytes);
  const Json json = Json::parse(files.bytes(), file);
  return std::make_unique<hf::HfTokenizer>(hf::Component(json, file), std::move(files));
}

}  // namespace bt
