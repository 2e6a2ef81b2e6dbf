// A YAML document as a tree that remembers where every value stood. Strict: UTF-8, 1 MiB, depth 32, no duplicate keys,
// no anchors or aliases, no tags, one document.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bt {

// Line and column count from 1, the column in bytes; 0 means "not from a file" (a default or an override).
struct ConfigMark {
  std::string source;  // file name, or "command line: a.b.c=value"
  int line = 0;
  int column = 0;
  std::string text() const;  // "run.yaml:3:5", or the source alone
};

struct ConfigNode {
  enum class Kind { null, scalar, sequence, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string scalar;   // as written, quotes removed
  bool quoted = false;  // a quoted scalar is always a string
  std::vector<ConfigNode> items;
  std::vector<Entry> entries;
  ConfigMark mark;

  bool is_null() const { return kind == Kind::null; }
  bool is_map() const { return kind == Kind::map; }
  const ConfigNode* find(std::string_view key) const;  // nullptr when absent or when this is not a map
  std::string describe() const;                        // for messages: the string "x" | 12 | a list | a map | null
};

struct ConfigNode::Entry {
  std::string key;
  ConfigMark key_mark;
  ConfigNode value;
};

// ExitCode::usage for a missing file, bad syntax, a duplicate key or a broken limit; always with line and column.
ConfigNode parse_yaml(std::string_view text, std::string_view source);
ConfigNode parse_yaml_file(const std::string& path);

// Applies "a.b.c=value" (a leading "--" is allowed): the value is parsed as YAML and replaces what was there, missing
// maps are made. ExitCode::usage for a malformed assignment or a path through something that is no map.
void apply_override(ConfigNode& root, std::string_view assignment);

}  // namespace bt
