// Json::parse: nlohmann/json's parser, event by event, into our own tree.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr size_t kMaxDepth = 64;
// A value takes about 100 times the bytes of its spelling. The largest files we read, tokenizers, have 2 million
// values.
constexpr size_t kMaxValues = 4'000'000;

[[noreturn]] void fail_at(std::string_view text, std::string_view source, size_t offset, const std::string& reason) {
  const TextPosition at = text_position(text, offset);
  fail_bad_file({.what = "invalid JSON: " + reason, .where = str(source, ":", at.line, ":", at.column)});
}

// Walks the text and publishes how far the parser has read, which its events do not tell.
class ReportingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  ReportingIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  ReportingIterator& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  ReportingIterator operator++(int) {
    ReportingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const ReportingIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// The names of an object's members, to find one that comes twice. Few are compared one by one; of many there is a flat
// hash table, since a vocabulary has a hundred thousand.
class NameIndex {
 public:
  // False: `name` is one of the members' names. Else it counts as the next member's.
  bool add(const std::string& name, const Json::Object& members) {
    if (members.size() < kFew) {
      return std::none_of(members.begin(), members.end(), [&](const Json::Member& m) { return m.first == name; });
    }
    if (2 * (members.size() + 1) > slots_.size()) grow(members);
    size_t& slot = find(name, members);
    if (slot != kFree) return false;
    slot = members.size();
    return true;
  }

 private:
  static constexpr size_t kFew = 16, kFree = ~size_t{0};

  // The slot that holds the member of this name, or the free one where it belongs. The last member announced has not
  // joined the members yet, but no name is looked up before it has.
  size_t& find(std::string_view name, const Json::Object& members) {
    size_t at = std::hash<std::string_view>()(name) & (slots_.size() - 1);
    while (slots_[at] != kFree && members[slots_[at]].first != name) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }

  void grow(const Json::Object& members) {
    slots_.assign(std::bit_ceil(4 * (members.size() + 1)), kFree);
    for (size_t i = 0; i < members.size(); ++i) find(members[i].first, members) = i;
  }

  std::vector<size_t> slots_;  // indices of members; a power of two of them, at most half used
};

class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  TreeBuilder(std::string_view text, std::string_view source, const char* const* reached)
      : text_(text), source_(source), reached_(reached) {}

  Json take_root() { return std::move(root_); }

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(uint64_t{value})); }
  bool number_float(number_float_t value, const string_t&) override { return add(Json(value)); }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Container& container = open_.back();
    if (!container.names.add(name, container.members))
      fail("the key " + quoted_excerpt(name) + " appears twice in its object");
    container.key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override {
    // The reason follows the library's own prefix and position: "[...] parse error at line 1, column 2: reason".
    const std::string_view message = error.what();
    const size_t colon = message.find(": ");
    fail(std::string(colon == std::string_view::npos ? message : message.substr(colon + 2)));
  }

 private:
  struct Container {
    bool is_object;
    Json::Object members;
    Json::Array items;
    std::string key;  // of the member being read
    NameIndex names;  // of the members so far
  };

  bool open(bool is_object) {
    if (open_.size() == kMaxDepth) fail(str("nested deeper than ", kMaxDepth, " levels"));
    open_.push_back({.is_object = is_object});
    return true;
  }

  bool close() {
    Container& container = open_.back();
    Json value = container.is_object ? Json::object(std::move(container.members)) : Json(std::move(container.items));
    open_.pop_back();
    return add(std::move(value));
  }

  bool add(Json value) {
    if (++values_ > kMaxValues) fail(str("more than ", kMaxValues, " values"));
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Container& container = open_.back(); container.is_object) {
      container.members.emplace_back(std::move(container.key), std::move(value));
    } else {
      container.items.push_back(std::move(value));
    }
    return true;
  }

  // The parser has just read the last byte of what is wrong.
  [[noreturn]] void fail(const std::string& reason) const {
    const auto read = static_cast<size_t>(*reached_ - text_.data());
    fail_at(text_, source_, read == 0 ? 0 : read - 1, reason);
  }

  std::string_view text_, source_;
  const char* const* reached_;
  std::vector<Container> open_;
  size_t values_ = 0;
  Json root_;
};

}  // namespace

Json Json::parse(std::string_view text, std::string_view source) {
  const size_t nul = text.find('\0');  // the parser would take it for the end of the text
  if (nul != std::string_view::npos) fail_at(text, source, nul, "a zero byte");
  const char* reached = text.data();
  TreeBuilder builder(text, source, &reached);
  const char* end = text.data() + text.size();
  nlohmann::json::sax_parse(ReportingIterator(text.data(), &reached), ReportingIterator(end, &reached), &builder);
  return builder.take_root();
}

Json Json::parse_file(const std::string& path, uint64_t max_bytes) { return parse(read_file(path, max_bytes), path); }

}  // namespace bt
