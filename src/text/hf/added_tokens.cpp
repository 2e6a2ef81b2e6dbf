#include "added_tokens.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "code_points.h"

namespace bt::hf {
namespace {

AddedToken read_token(const Component& component, const Normalizer* normalizer) {
  AddedToken token;
  token.content = component.text("content");
  token.single_word = component.flag("single_word", false);
  token.lstrip = component.flag("lstrip", false);
  token.rstrip = component.flag("rstrip", false);
  token.special = component.flag("special", false);
  token.normalized = component.flag("normalized", !token.special);
  Section section{token.content, false};
  if (token.normalized && normalizer != nullptr) normalizer->apply(section);
  token.pattern = std::move(section.text);
  return token;
}

bool touches_word(std::string_view text, const Span& span) {
  const std::string_view before = text.substr(0, span.begin), after = text.substr(span.end);
  return (!before.empty() && is_word_character(last_code_point_of(before))) ||
         (!after.empty() && is_word_character(code_point_of(after)));
}

size_t begin_of_space_before(std::string_view text, size_t end) {
  while (end > 0 && is_white_space(last_code_point_of(text.substr(0, end)))) {
    end -= last_character_of(text.substr(0, end)).size();
  }
  return end;
}

size_t end_of_space_after(std::string_view text, size_t begin) {
  while (begin < text.size() && is_white_space(code_point_of(text.substr(begin)))) {
    begin += utf8_sequence_length(text.substr(begin));
  }
  return begin;
}

}  // namespace

void TextSet::add(std::string_view text, int32_t id) {
  starts_[static_cast<unsigned char>(text.front())] = true;
  uint32_t node = 0;
  for (const char c : text) {
    const auto [entry, is_new] =
        nodes_[node].next.try_emplace(static_cast<unsigned char>(c), static_cast<uint32_t>(nodes_.size()));
    node = entry->second;
    if (is_new) nodes_.emplace_back();
  }
  nodes_[node].id = id;
}

std::optional<TextSet::Match> TextSet::find(std::string_view text, size_t from) const {
  if (nodes_.size() == 1) return std::nullopt;
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) continue;
    std::optional<Match> longest;
    uint32_t node = 0;
    for (size_t at = begin; at < text.size(); ++at) {
      const auto next = nodes_[node].next.find(static_cast<unsigned char>(text[at]));
      if (next == nodes_[node].next.end()) break;
      node = next->second;
      if (nodes_[node].id != kNoToken) longest = Match{{begin, at + 1}, nodes_[node].id};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

AddedTokens::AddedTokens(const Component& file, const Vocabulary& vocabulary, const Normalizer* normalizer) {
  if (file.find("added_tokens") == nullptr) return;
  int64_t next = vocabulary.count();
  for (const Component& component : file.children("added_tokens")) {
    AddedToken token = read_token(component, normalizer);
    if (token.content.empty()) continue;
    int32_t id = id_of(token.content);
    if (id == kNoToken) id = vocabulary.id_of(token.content);
    if (id == kNoToken) {
      if (next > kMaxTokenId) component.refuse("id", "token id out of range", str("at most ", kMaxTokenId));
      id = static_cast<int32_t>(next++);
      if (vocabulary.has(id)) {
        component.refuse("id", str("an added token would take the id ", id, ", which another token has"),
                         "a vocabulary that skips no id");
      }
    }
    if (const int64_t stated = component.count("id"); stated != id) {
      log::warning(str(component.place("id"), ": ", quoted_excerpt(token.content), " has id ", id, ", not ", stated,
                       " as the file says (as in the Hugging Face library)"));
    }
    add(std::move(token), id);
  }
  for (const auto& [id, token] : tokens_) {
    if (!token.pattern.empty()) (token.normalized ? normalized_ : plain_).add(token.pattern, id);
  }
}

void AddedTokens::add(AddedToken token, int32_t id) {
  highest_ = std::max(highest_, id);
  ids_[token.content] = id;
  if (token.special) special_.insert(token.content);
  tokens_[id] = std::move(token);
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : &found->second;
}

int32_t AddedTokens::id_of(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  return found == ids_.end() ? kNoToken : found->second;
}

// The order of events is the Hugging Face library's: a match that is no single word is passed over as a whole, and
// space taken on the right may hold the next match.
std::vector<AddedTokens::Stretch> AddedTokens::cut(std::string_view text, bool normalized) const {
  const TextSet& wanted = normalized ? normalized_ : plain_;
  std::vector<Stretch> stretches;
  size_t done = 0;
  for (auto match = wanted.find(text, 0); match; match = wanted.find(text, match->span.end)) {
    Span span = match->span;
    const AddedToken& token = *find(match->id);
    if (token.single_word && touches_word(text, span)) continue;
    if (token.lstrip) span.begin = std::max(begin_of_space_before(text, span.begin), done);
    if (token.rstrip) span.end = end_of_space_after(text, span.end);
    if (done < span.begin) stretches.push_back({{done, span.begin}, kNoToken});
    stretches.push_back({span, match->id});
    done = span.end;
  }
  if (done < text.size()) stretches.push_back({{done, text.size()}, kNoToken});
  return stretches;
}

}  // namespace bt::hf
