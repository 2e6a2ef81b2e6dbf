// parse_yaml: yaml-cpp's parser, event by event, into our own tree. Its events come before it descends, so the depth
// limit below also bounds its recursion.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <unordered_set>
#include <utility>

#include "bt/core/config_node.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxDepth = 32;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

[[noreturn]] void fail(const ConfigMark& mark, std::string what, std::string next_step = {}) {
  fail_usage({.what = std::move(what), .where = mark.text(), .next_step = std::move(next_step)});
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string_view source) : source_(source) {}

  ConfigNode take_root() { return std::move(root_); }

  ConfigMark mark(const YAML::Mark& at) const {
    if (at.is_null()) return {.source = source_};
    return {.source = source_, .line = at.line + 1, .column = at.column + 1};
  }

  void OnDocumentStart(const YAML::Mark& at) override {
    if (++documents_ > 1) fail(mark(at), "a second document", "keep one document per file");
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& at, const std::string&) override { refuse_anchor(at); }
  void OnAlias(const YAML::Mark& at, YAML::anchor_t) override { refuse_anchor(at); }

  void OnNull(const YAML::Mark& at, YAML::anchor_t) override { add({.mark = mark(at)}); }

  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    refuse_tag(at, tag);
    add({.kind = ConfigNode::Kind::scalar, .scalar = value, .quoted = tag == "!", .mark = mark(at)});
  }

  void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    refuse_tag(at, tag);
    open(ConfigNode::Kind::sequence, at);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    refuse_tag(at, tag);
    open(ConfigNode::Kind::map, at);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Container {
    ConfigNode node;
    bool has_key = false;  // of a map: the next value belongs to `key`
    std::string key;
    ConfigMark key_mark;
    std::unordered_set<std::string> keys;
  };

  void refuse_anchor(const YAML::Mark& at) const {
    fail(mark(at), "anchors and aliases are not supported",
         "write the value out, or quote a text that starts with & or *");
  }

  // The parser itself tags every plain value "?" and every quoted one "!".
  void refuse_tag(const YAML::Mark& at, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    fail(mark(at), "tags are not supported", "remove the tag, or quote a text that starts with !");
  }

  void open(ConfigNode::Kind kind, const YAML::Mark& at) {
    if (expects_key()) fail(mark(at), "a key that is no scalar");
    if (open_.size() == kMaxDepth) fail(mark(at), str("nested deeper than ", kMaxDepth, " levels"));
    open_.push_back({.node = {.kind = kind, .mark = mark(at)}});
  }

  void close() {
    ConfigNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  bool expects_key() const { return !open_.empty() && open_.back().node.is_map() && !open_.back().has_key; }

  void add(ConfigNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (expects_key()) {
      set_key(std::move(node));
    } else if (Container& container = open_.back(); container.node.is_map()) {
      if (node.is_null()) node.mark = container.key_mark;  // an absent value has the place of whatever follows it
      container.node.entries.push_back({std::move(container.key), std::move(container.key_mark), std::move(node)});
      container.has_key = false;
    } else {
      container.node.items.push_back(std::move(node));
    }
  }

  void set_key(ConfigNode node) {
    Container& container = open_.back();
    if (node.kind != ConfigNode::Kind::scalar) fail(node.mark, "a key is missing before ':'");
    if (!container.keys.insert(node.scalar).second) {
      fail(node.mark, str("the key ", quoted_excerpt(node.scalar), " appears twice in its map"), "remove one of them");
    }
    container.key = std::move(node.scalar);
    container.key_mark = std::move(node.mark);
    container.has_key = true;
  }

  std::string source_;
  int documents_ = 0;
  std::vector<Container> open_;
  ConfigNode root_;
};

// yaml-cpp guesses UTF-16 and takes control characters for its own marks, so only clean UTF-8 reaches it.
void check_characters(std::string_view text, std::string_view source) {
  const auto fail_at = [&](size_t offset, const char* what) {
    const TextPosition at = text_position(text, offset);
    fail({.source = std::string(source), .line = at.line, .column = at.column}, what, "save the file as plain UTF-8");
  };
  const size_t valid = valid_utf8_prefix(text);
  if (valid != text.size()) fail_at(valid, "a byte that is not UTF-8");
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == '\x7f';
  });
  if (control != text.end()) fail_at(static_cast<size_t>(control - text.begin()), "a control character");
}

}  // namespace

ConfigNode parse_yaml(std::string_view text, std::string_view source) {
  if (text.size() > kMaxBytes) fail({.source = std::string(source)}, str("longer than ", kMaxBytes, " bytes"));
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  check_characters(text, source);

  // An explicit end of the document: yaml-cpp takes the end of the text for the end of an unclosed quoted scalar.
  std::string closed(text);
  closed += text.empty() || text.ends_with('\n') ? "...\n" : "\n...\n";
  TreeBuilder builder(source);
  std::istringstream stream(closed);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    fail(builder.mark(error.mark), "invalid YAML: " + error.msg);
  }
  return builder.take_root();
}

ConfigNode parse_yaml_file(const std::string& path) {
  try {
    return parse_yaml(read_file(path, kMaxBytes), path);
  } catch (const Error& error) {
    if (error.code() != ExitCode::bad_file) throw;
    fail_usage(error.problem());  // a config is part of what the user typed
  }
}

}  // namespace bt
