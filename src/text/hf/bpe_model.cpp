#include "bpe_model.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "byte_alphabet.h"
#include "code_points.h"

namespace bt::hf {
namespace {

constexpr char32_t kTable = 0x10000;  // code points looked up by index
constexpr size_t kShortWord = 24;     // symbols up to which scanning beats a queue
constexpr size_t kMostSymbols = size_t{1} << 31;
constexpr uint32_t kNoRank = ~uint32_t{0};

constexpr char kSupportedModel[] = "\"BPE\"";

bool comes_later(const BpeWorkspace::Candidate& a, const BpeWorkspace::Candidate& b) { return a.order > b.order; }

const Json::Object& tokens_of(const Component& model) {
  if (model.find("type") != nullptr && model.type() != "BPE") model.refuse_type(kSupportedModel);
  if (model.find("merges") == nullptr) model.refuse("type", "a model without merges is not read", kSupportedModel);
  return model.child("vocab").json().as_object(model.place("vocab"));
}

void refuse_unsupported(const Component& model) {
  const Json* dropout = model.find("dropout");
  if (dropout != nullptr && dropout->as_double(model.place("dropout")) != 0) {
    model.refuse("dropout", "random merging is not supported", "0 or null");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (model.find(key) != nullptr && !model.text(key).empty()) {
      model.refuse(key, "marked subwords are not supported", "null or an empty string");
    }
  }
}

// The two tokens of a merge, spelled "left right" or ["left", "right"].
std::pair<std::string_view, std::string_view> sides_of(const Json& merge, const Component& model) {
  if (merge.is_string()) {
    const std::string_view text = merge.as_string("");
    const size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  } else if (merge.is_array()) {
    const Json::Array& sides = merge.as_array("");
    if (sides.size() == 2 && sides[0].is_string() && sides[1].is_string()) {
      return {sides[0].as_string(""), sides[1].as_string("")};
    }
  }
  fail_bad_file({.what = "not a merge of two tokens",
                 .where = model.place("merges"),
                 .expected = R"("left right" or ["left", "right"])",
                 .found = quoted_excerpt(merge.dump())});
}

}  // namespace

BpeModel::BpeModel(const Component& model)
    : vocabulary_(tokens_of(model), model.place("vocab")),
      merges_(model.child("merges").json().as_array(model.place("merges")).size()),
      where_(model.where()),
      fuse_unk_(model.flag("fuse_unk", false)),
      byte_fallback_(model.flag("byte_fallback", false)),
      ignore_merges_(model.flag("ignore_merges", false)),
      glued_to_space_(kTable) {
  refuse_unsupported(model);
  has_unk_ = model.find("unk_token") != nullptr;
  if (has_unk_) unk_token_ = model.text("unk_token");
  index_characters();
  read_merges(model);
}

void BpeModel::index_characters() {
  for (int32_t id = 0; id < vocabulary_.size(); ++id) {
    const std::string_view token = vocabulary_.token_of(id);
    if (token.empty() || token.size() > 3 || utf8_sequence_length(token) != token.size()) continue;
    const char32_t character = code_point_of(token);
    if (character >= character_ids_.size()) character_ids_.resize(character + 1, kNoToken);
    character_ids_[character] = id;
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = vocabulary_.id_of(std::string{'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'});
  }
}

void BpeModel::read_merges(const Component& model) {
  std::string merged;
  uint32_t rank = 0;
  for (const Json& merge : model.child("merges").json().as_array("")) {
    if (merge.is_string() && merge.as_string("").starts_with("#version")) continue;
    const auto [left, right] = sides_of(merge, model);
    merged.assign(left).append(right);
    const int32_t left_id = vocabulary_.id_of(left), right_id = vocabulary_.id_of(right),
                  id = vocabulary_.id_of(merged);
    if (left_id == kNoToken || right_id == kNoToken || id == kNoToken) {
      const std::string_view missing = left_id == kNoToken ? left : right_id == kNoToken ? right : merged;
      fail_bad_file({.what = str("merge ", rank, " names a token that the vocabulary lacks"),
                     .where = model.place("merges"),
                     .found = quoted_excerpt(missing)});
    }
    merges_.set(left_id, right_id, {rank++, id});
    note_merge(left, right);
  }
}

void BpeModel::note_merge(std::string_view left, std::string_view right) {
  if (left.empty() || !right.starts_with(kSpaceSymbol)) return;
  const char32_t last = last_code_point_of(left);
  if (last < kTable) glued_to_space_[last] = true;
}

int32_t BpeModel::id_of_code_point(char32_t character) const {
  return character < character_ids_.size() ? character_ids_[character] : kNoToken;
}

int32_t BpeModel::id_of_character(std::string_view character) const {
  return character.size() <= 3 ? id_of_code_point(code_point_of(character)) : vocabulary_.id_of(character);
}

int32_t BpeModel::unk_id() const {
  const int32_t id = vocabulary_.id_of(unk_token_);
  if (id == kNoToken) {
    fail_bad_file({.what = "a text needs unk_token, which is not in the vocabulary",
                   .where = where_,
                   .found = quoted_excerpt(unk_token_)});
  }
  return id;
}

void BpeModel::encode(std::string_view word, bool spell_bytes, BpeWorkspace& workspace,
                      std::vector<int32_t>& ids) const {
  // A text without pre-tokenization is one word. It is cut before each U+2581 that no merge can reach across: what lies
  // on either side merges alike, and the parts repeat.
  if (!spell_bytes && !ignore_merges_) {
    for (size_t space = word.find(kSpaceSymbol, 1); space != std::string_view::npos;) {
      if (is_cut(word, space)) {
        encode_cached(word.substr(0, space), false, workspace, ids);
        word.remove_prefix(space);
        space = 0;
      }
      space = word.find(kSpaceSymbol, space + 1);
    }
  }
  encode_cached(word, spell_bytes, workspace, ids);
}

// Both neighbours are tokens by themselves (so that no fused unk spans them), and no merge joins the one's last
// character with U+2581.
bool BpeModel::is_cut(std::string_view text, size_t space) const {
  const char32_t last = last_code_point_of(text.substr(0, space));
  return last < kTable && !glued_to_space_[last] && id_of_code_point(last) != kNoToken &&
         id_of_code_point(kSpaceCodePoint) != kNoToken;
}

void BpeModel::encode_cached(std::string_view word, bool spell_bytes, BpeWorkspace& workspace,
                             std::vector<int32_t>& ids) const {
  if (const auto known = workspace.cache.find(word)) {
    ids.insert(ids.end(), known->begin(), known->end());
    return;
  }
  std::string_view text = word;
  if (spell_bytes) {
    workspace.spelled.clear();
    append_spelled(workspace.spelled, word);
    text = workspace.spelled;
  }
  std::vector<int32_t>& symbols = workspace.symbols;
  symbols.clear();
  const int32_t whole = ignore_merges_ ? vocabulary_.id_of(text) : kNoToken;
  if (whole != kNoToken) {
    symbols.push_back(whole);
  } else {
    to_symbols(text, symbols);
    if (symbols.size() <= kShortWord) {
      merge_short(workspace);
    } else {
      merge_long(workspace);
    }
  }
  workspace.cache.add(word, symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

bool BpeModel::append_byte_tokens(std::string_view character, std::vector<int32_t>& symbols) const {
  const auto id_of_byte = [this](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (std::any_of(character.begin(), character.end(), [&](char c) { return id_of_byte(c) == kNoToken; })) return false;
  for (const char c : character) symbols.push_back(id_of_byte(c));
  return true;
}

// As in the Hugging Face library, an unk waits for the next known character: bytes in between come before it.
void BpeModel::to_symbols(std::string_view text, std::vector<int32_t>& symbols) const {
  int waiting = 0;  // unks
  const auto release = [&] {
    for (; waiting > 0; --waiting) symbols.push_back(unk_id());
  };
  while (!text.empty()) {
    const std::string_view character = text.substr(0, utf8_sequence_length(text));
    BT_ASSERT(!character.empty());
    text.remove_prefix(character.size());
    if (const int32_t id = id_of_character(character); id != kNoToken) {
      release();
      symbols.push_back(id);
    } else if (byte_fallback_ && append_byte_tokens(character, symbols)) {
      continue;
    } else if (has_unk_) {
      if (!fuse_unk_) release();
      waiting = 1;
    }
  }
  release();
}

void BpeModel::merge_short(BpeWorkspace& workspace) const {
  std::vector<int32_t>& symbols = workspace.symbols;
  std::vector<Merge>& merges = workspace.merges;
  const auto merge_at = [&](size_t i) {
    const Merge* merge = i + 1 < symbols.size() ? merges_.find(symbols[i], symbols[i + 1]) : nullptr;
    return merge == nullptr ? Merge{kNoRank, kNoToken} : *merge;
  };
  merges.clear();
  for (size_t i = 0; i < symbols.size(); ++i) merges.push_back(merge_at(i));
  while (symbols.size() > 1) {
    const auto first =
        std::min_element(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    if (first->rank == kNoRank) break;
    const auto i = static_cast<size_t>(first - merges.begin());
    symbols[i] = first->id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    merges.erase(merges.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    merges[i] = merge_at(i);
    if (i > 0) merges[i - 1] = merge_at(i - 1);
  }
}

void BpeModel::queue_merge(BpeWorkspace& workspace, int32_t place) const {
  if (place < 0) return;
  const BpeWorkspace::Symbol& left = workspace.chain[static_cast<size_t>(place)];
  if (left.next < 0) return;
  const Merge* merge = merges_.find(left.id, workspace.chain[static_cast<size_t>(left.next)].id);
  if (merge == nullptr) return;
  workspace.queue.push_back({uint64_t{merge->rank} << 32 | static_cast<uint32_t>(place), merge->id});
}

void BpeModel::merge_long(BpeWorkspace& workspace) const {
  if (workspace.symbols.size() >= kMostSymbols) {
    fail_usage({.what = "a text is too long to tokenize", .expected = "less than 2^31 characters without a break"});
  }
  auto& chain = workspace.chain;
  auto& queue = workspace.queue;
  const auto size = static_cast<int32_t>(workspace.symbols.size());
  chain.clear();
  queue.clear();
  for (int32_t i = 0; i < size; ++i) {
    chain.push_back({workspace.symbols[static_cast<size_t>(i)], i - 1, i + 1 < size ? i + 1 : -1});
  }
  for (int32_t i = 0; i < size; ++i) queue_merge(workspace, i);
  std::make_heap(queue.begin(), queue.end(), comes_later);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), comes_later);
    const BpeWorkspace::Candidate best = queue.back();
    queue.pop_back();
    const auto place = static_cast<int32_t>(best.order & ~uint32_t{0});
    BpeWorkspace::Symbol& left = chain[static_cast<size_t>(place)];
    if (left.id == kNoToken || left.next < 0) continue;
    BpeWorkspace::Symbol& right = chain[static_cast<size_t>(left.next)];
    const Merge* merge = merges_.find(left.id, right.id);
    if (merge == nullptr || merge->id != best.id) continue;  // a neighbour has merged in the meantime
    left.id = best.id;
    left.next = right.next;
    right.id = kNoToken;
    if (left.next >= 0) chain[static_cast<size_t>(left.next)].previous = place;
    for (const int32_t changed : {left.previous, place}) {
      const size_t before = queue.size();
      queue_merge(workspace, changed);
      if (queue.size() > before) std::push_heap(queue.begin(), queue.end(), comes_later);
    }
  }
  workspace.symbols.clear();
  for (const BpeWorkspace::Symbol& symbol : chain) {
    if (symbol.id != kNoToken) workspace.symbols.push_back(symbol.id);
  }
}

}  // namespace bt::hf
