#include "bt/core/config_node.h"

#include <algorithm>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

void mark_all(ConfigNode& node, const ConfigMark& mark) {
  node.mark = mark;
  for (ConfigNode& item : node.items) mark_all(item, mark);
  for (ConfigNode::Entry& entry : node.entries) {
    entry.key_mark = mark;
    mark_all(entry.value, mark);
  }
}

ConfigNode& find_or_add(ConfigNode& map, const std::string& key, const ConfigMark& mark) {
  for (ConfigNode::Entry& entry : map.entries) {
    if (entry.key == key) return entry.value;
  }
  map.entries.push_back({.key = key, .key_mark = mark, .value = {}});
  map.entries.back().value.mark = mark;
  return map.entries.back().value;
}

ConfigNode parse_value(std::string_view text, const ConfigMark& mark) {
  try {
    ConfigNode value = parse_yaml(text, mark.source);
    mark_all(value, mark);
    return value;
  } catch (const Error& error) {
    Problem problem = error.problem();
    problem.where = mark.text();
    if (problem.next_step.empty()) problem.next_step = "put the value in quotes if it is a text";
    fail_usage(std::move(problem));
  }
}

[[noreturn]] void fail_assignment(const ConfigMark& mark) {
  fail_usage({.what = "not an assignment",
              .where = mark.text(),
              .expected = "key=value or key.path=value",
              .next_step = "see --help for the keys"});
}

}  // namespace

std::string ConfigMark::text() const { return line > 0 ? str(source, ":", line, ":", column) : source; }

const ConfigNode* ConfigNode::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [key](const Entry& e) { return e.key == key; });
  return found == entries.end() ? nullptr : &found->value;
}

std::string ConfigNode::describe() const {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::scalar:
      return quoted ? "the string " + quoted_excerpt(scalar) : quoted_excerpt(scalar);
    case Kind::sequence:
      return str("a list of ", items.size());
    case Kind::map:
      return "a map";
  }
  return {};
}

void apply_override(ConfigNode& root, std::string_view assignment) {
  const ConfigMark mark{.source = str("command line: ", assignment)};
  if (assignment.starts_with("--")) assignment.remove_prefix(2);
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) fail_assignment(mark);
  const std::vector<std::string> path = split(assignment.substr(0, equals), '.');

  ConfigNode* node = &root;
  for (const std::string& key : path) {
    if (key.empty()) fail_assignment(mark);
    if (node->is_null()) node->kind = ConfigNode::Kind::map;
    if (!node->is_map()) {
      fail_usage({.what = str("cannot set ", quoted_excerpt(key), " inside a value that is no map"),
                  .where = mark.text(),
                  .expected = "a map",
                  .found = str(node->describe(), " at ", node->mark.text())});
    }
    node = &find_or_add(*node, key, mark);
  }
  *node = parse_value(assignment.substr(equals + 1), mark);
}

}  // namespace bt
