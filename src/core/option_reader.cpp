// read_options.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "each_field.h"
#include "option_value.h"

namespace bt {
namespace {

std::string child_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : str(path, ".", key);
}

// "run.yaml:3:5: train.lr"
std::string place(const ConfigMark& mark, const std::string& path) {
  if (mark.source.empty()) return path;
  return path.empty() ? mark.text() : str(mark.text(), ": ", path);
}

// The names of one level.
class KeyNames final : public EachField<KeyNames> {
 public:
  template <class T>
  void visit(std::string_view key, T&, const FieldInfo&) {
    names.emplace_back(key);
  }
  void group(std::string_view key, Options&, std::string_view) override { names.emplace_back(key); }
  void variant(std::string_view key, std::string_view, std::string&, std::unique_ptr<Options>&, MakeOptions,
               const std::vector<std::string>&, std::string_view) override {
    names.emplace_back(key);
  }

  std::vector<std::string> names;
};

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? "" : str("did you mean ", quoted_excerpt(nearest), "?");
}

void refuse_unknown_keys(const ConfigNode& map, const std::string& path, const std::vector<std::string>& names) {
  for (const ConfigNode::Entry& entry : map.entries) {
    if (std::find(names.begin(), names.end(), entry.key) != names.end()) continue;
    fail_usage({.what = "unknown key",
                .where = place(entry.key_mark, child_path(path, entry.key)),
                .expected = names.empty() ? "no key at all" : "one of " + join(names, ", "),
                .next_step = did_you_mean(entry.key, names)});
  }
}

// Where the dotted key stands, or as much of its path as the document has.
std::string locate(const ConfigNode& root, const std::string& key) {
  const ConfigNode* node = &root;
  ConfigMark mark{.source = root.mark.source};
  for (const std::string& name : split(key, '.')) {
    node = node->find(name);
    if (node == nullptr) break;
    mark = node->mark;
  }
  return place(mark, key);
}

void validate(const Options& options, const ConfigNode& root) {
  try {
    options.validate();
  } catch (const Error& error) {
    if (error.code() != ExitCode::usage) throw;
    Problem problem = error.problem();
    problem.where = locate(root, problem.where);
    fail_usage(std::move(problem));
  }
}

void read_map(const ConfigNode& root, const ConfigNode& map, const std::string& path, std::string_view selector,
              Options& options);

class OptionReader final : public EachField<OptionReader> {
 public:
  OptionReader(const ConfigNode& root, const ConfigNode& map, const std::string& path)
      : root_(root), map_(map), path_(path) {}

  template <class T>
  void visit(std::string_view key, T& value, const FieldInfo& info) {
    if (const ConfigNode* node = map_.find(key)) {
      read(*node, child_path(path_, key), info, value);
    } else if (info.required) {
      fail_missing(key, expected(value, info));
    }
  }

  void group(std::string_view key, Options& value, std::string_view) override {
    const ConfigNode absent{.mark = map_.mark};
    const ConfigNode* node = map_.find(key);
    read_map(root_, node == nullptr ? absent : *node, child_path(path_, key), "", value);
  }

  void variant(std::string_view key, std::string_view selector, std::string& name, std::unique_ptr<Options>& value,
               MakeOptions make, const std::vector<std::string>& names, std::string_view) override {
    const ConfigNode* node = map_.find(key);
    if (node == nullptr || node->is_null()) return;
    const std::string path = child_path(path_, key);
    if (!node->is_map()) fail_value(*node, path, "a map");

    const FieldInfo info{.choices = names, .required = name.empty()};
    OptionReader(root_, *node, path).visit(selector, name, info);
    value = make(name);
    BT_ASSERT(value != nullptr);  // `names` holds what `make` knows
    read_map(root_, *node, path, selector, *value);
  }

 private:
  template <class T>
  static std::string expected(const T& value, const FieldInfo& info) {
    const std::string constraint = constraint_text(info);
    if (!info.choices.empty()) return "one of " + constraint;
    return constraint.empty() ? option_type(value) : str(option_type(value), " ", constraint);
  }

  template <class T>
  static void read(const ConfigNode& node, const std::string& path, const FieldInfo& info, T& value) {
    T parsed{};
    if (!parse_option(node, parsed)) fail_value(node, path, expected(value, info), quoting_hint(node, value));
    if (!satisfies(info, parsed)) {
      fail_value(node, path, expected(value, info), did_you_mean(node.scalar, info.choices));
    }
    value = std::move(parsed);
  }

  template <class T>
  static void read(const ConfigNode& node, const std::string& path, const FieldInfo& info, std::vector<T>& values) {
    if (node.kind != ConfigNode::Kind::sequence) fail_value(node, path, expected(values, info));
    std::vector<T> parsed(node.items.size());
    for (size_t i = 0; i < parsed.size(); ++i) read(node.items[i], str(path, "[", i, "]"), info, parsed[i]);
    values = std::move(parsed);
  }

  template <class T>
  static void read(const ConfigNode& node, const std::string& path, const FieldInfo& info, std::optional<T>& value) {
    value.reset();
    if (!node.is_null()) read(node, path, info, value.emplace());
  }

  template <class T>
  static std::string quoting_hint(const ConfigNode& node, const T&) {
    if (std::is_same_v<T, std::string>) return "put the text in quotes";
    return node.quoted ? "remove the quotes" : "";
  }

  [[noreturn]] static void fail_value(const ConfigNode& node, const std::string& path, std::string expected_text,
                                      std::string next_step = {}) {
    fail_usage({.what = "wrong value",
                .where = place(node.mark, path),
                .expected = std::move(expected_text),
                .found = node.describe(),
                .next_step = std::move(next_step)});
  }

  [[noreturn]] void fail_missing(std::string_view key, std::string expected_text) const {
    fail_usage({.what = "the key is missing",
                .where = place(map_.mark, child_path(path_, key)),
                .expected = std::move(expected_text),
                .next_step = str("add \"", key, ": ...\" ", path_.empty() ? "at the top level" : "under " + path_)});
  }

  const ConfigNode& root_;
  const ConfigNode& map_;
  const std::string& path_;
};

// `selector` is a key of the map that has been read already, or empty.
void read_map(const ConfigNode& root, const ConfigNode& map, const std::string& path, std::string_view selector,
              Options& options) {
  if (!map.is_map() && !map.is_null()) {
    fail_usage({.what = "wrong value", .where = place(map.mark, path), .expected = "a map", .found = map.describe()});
  }
  KeyNames keys;
  if (!selector.empty()) keys.names.emplace_back(selector);
  options.fields(keys);
  refuse_unknown_keys(map, path, keys.names);
  OptionReader reader(root, map, path);
  options.fields(reader);
  validate(options, root);
}

}  // namespace

void read_options(const ConfigNode& node, Options& options) { read_map(node, node, "", "", options); }

}  // namespace bt
