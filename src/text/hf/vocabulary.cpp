#include "vocabulary.h"

#include <algorithm>
#include <bit>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "hash.h"

namespace bt::hf {
namespace {

int32_t checked_id(const Json& value, const std::string& token, const std::string& where) {
  const int64_t id = value.fits_int() ? value.as_int(where) : -1;
  if (id < 0 || id > kMaxTokenId) {
    fail_bad_file({.what = "token id out of range",
                   .where = str(where, ": ", quoted_excerpt(token)),
                   .expected = str("0 to ", kMaxTokenId),
                   .found = quoted_excerpt(value.dump())});
  }
  return static_cast<int32_t>(id);
}

}  // namespace

Vocabulary::Vocabulary(const Json::Object& tokens, const std::string& where)
    : slots_(std::bit_ceil(2 * tokens.size() + 1)) {
  int64_t highest = -1, characters = 0;
  for (const auto& [token, id] : tokens) {
    highest = std::max<int64_t>(highest, checked_id(id, token, where));
    characters = checked_add(characters, static_cast<int64_t>(token.size()), "the vocabulary's characters");
  }
  checked_cast<uint32_t>(characters, "the vocabulary's characters");
  spans_.resize(static_cast<size_t>(highest + 1));
  characters_.reserve(static_cast<size_t>(characters));
  for (const auto& [token, value] : tokens) {
    const auto id = static_cast<int32_t>(value.as_int(where));
    if (has(id)) {
      fail_bad_file({.what = str("two tokens have the id ", id),
                     .where = where,
                     .found = str(quoted_excerpt(token_of(id)), " and ", quoted_excerpt(token))});
    }
    add(token, id);
  }
}

void Vocabulary::add(std::string_view token, int32_t id) {
  spans_[static_cast<size_t>(id)] = {static_cast<uint32_t>(characters_.size()), static_cast<int32_t>(token.size())};
  characters_ += token;
  ++count_;
  const uint64_t hash = hash_bytes(token);
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id != kNoToken) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {static_cast<uint32_t>(hash >> 32), id};
}

int32_t Vocabulary::id_of(std::string_view token) const {
  const uint64_t hash = hash_bytes(token);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & (slots_.size() - 1); slots_[at].id != kNoToken; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].tag == tag && token_of(slots_[at].id) == token) return slots_[at].id;
  }
  return kNoToken;
}

bool Vocabulary::has(int32_t id) const { return id >= 0 && id < size() && spans_[static_cast<size_t>(id)].length >= 0; }

std::string_view Vocabulary::token_of(int32_t id) const {
  if (!has(id)) return {};
  const Span span = spans_[static_cast<size_t>(id)];
  return std::string_view(characters_).substr(span.begin, static_cast<size_t>(span.length));
}

}  // namespace bt::hf
