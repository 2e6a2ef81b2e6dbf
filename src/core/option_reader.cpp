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

// A key that is nearly the selector: without one, nothing else would tell that it is misspelt.
void refuse_misspelt_selector(const ConfigNode& map, const std::string& path, std::string_view selector) {
  for (const ConfigNode::Entry& entry : map.entries) {
    if (nearest_name(entry.key, {std::string(selector)}).empty()) continue;
    fail_usage({.what = "unknown key",
                .where = place(entry.key_mark, child_path(path, entry.key)),
                .expected = str(selector, " and the keys that belong to its value"),
                .next_step = did_you_mean(entry.key, {std::string(selector)})});
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

// One reading of a whole document. A wrong key or value stops it at once. Missing keys wait for the end, since a
// misspelt key explains a missing one; so do the checks of whole groups, which need all that is in the document.
struct Reading {
  std::optional<Problem> missing;        // the first missing key
  std::vector<const Options*> to_check;  // inner groups first
};

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

void read_map(Reading& reading, const ConfigNode& map, const std::string& path, std::string_view selector,
              Options& options);

class OptionReader final : public EachField<OptionReader> {
 public:
  OptionReader(Reading& reading, const ConfigNode& map, const std::string& path)
      : reading_(reading), map_(map), path_(path) {}

  template <class T>
  void visit(std::string_view key, T& value, const FieldInfo& info) {
    if (const ConfigNode* node = map_.find(key)) {
      read(*node, child_path(path_, key), info, value);
    } else if (info.required) {
      note_missing(key, domain_text(value, info));
    }
  }

  void group(std::string_view key, Options& value, std::string_view) override {
    const ConfigNode absent{.mark = map_.mark};
    const ConfigNode* node = map_.find(key);
    read_map(reading_, node == nullptr ? absent : *node, child_path(path_, key), "", value);
  }

  void variant(std::string_view key, std::string_view selector, std::string& name, std::unique_ptr<Options>& value,
               MakeOptions make, const std::vector<std::string>& names, std::string_view) override {
    const ConfigNode* node = map_.find(key);
    if (node == nullptr || node->is_null()) return;
    const std::string path = child_path(path_, key);
    if (!node->is_map()) fail_value(*node, path, "a map");

    if (node->find(selector) == nullptr) refuse_misspelt_selector(*node, path, selector);
    OptionReader(reading_, *node, path).visit(selector, name, {.choices = names, .required = name.empty()});
    if (name.empty()) return;
    value = make(name);
    BT_ASSERT(value != nullptr);  // `names` holds what `make` knows
    read_map(reading_, *node, path, selector, *value);
  }

 private:
  template <class T>
  static void read(const ConfigNode& node, const std::string& path, const FieldInfo& info, T& value) {
    T parsed{};
    if (!parse_option(node, parsed)) fail_value(node, path, domain_text(value, info), quoting_hint(node, value));
    if (!satisfies(info, parsed)) {
      fail_value(node, path, domain_text(value, info), did_you_mean(node.scalar, info.choices));
    }
    value = std::move(parsed);
  }

  template <class T>
  static void read(const ConfigNode& node, const std::string& path, const FieldInfo& info, std::vector<T>& values) {
    if (node.kind != ConfigNode::Kind::sequence) fail_value(node, path, domain_text(values, info));
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

  void note_missing(std::string_view key, std::string expected) const {
    if (reading_.missing) return;
    const std::string parent = path_.empty() ? "at the top level" : "under " + path_;
    reading_.missing = {.what = "the key is missing",
                        .where = place(map_.mark, child_path(path_, key)),
                        .expected = std::move(expected),
                        .next_step = str("add \"", key, ": ...\" ", parent)};
  }

  Reading& reading_;
  const ConfigNode& map_;
  const std::string& path_;
};

// `selector` is a key of the map that has been read already, or empty.
void read_map(Reading& reading, const ConfigNode& map, const std::string& path, std::string_view selector,
              Options& options) {
  if (!map.is_map() && !map.is_null()) {
    fail_usage({.what = "wrong value", .where = place(map.mark, path), .expected = "a map", .found = map.describe()});
  }
  KeyNames keys;
  if (!selector.empty()) keys.names.emplace_back(selector);
  options.fields(keys);
  refuse_unknown_keys(map, path, keys.names);
  OptionReader reader(reading, map, path);
  options.fields(reader);
  reading.to_check.push_back(&options);
}

}  // namespace

void read_options(const ConfigNode& node, Options& options) {
  Reading reading;
  read_map(reading, node, "", "", options);
  if (reading.missing) fail_usage(std::move(*reading.missing));
  for (const Options* group : reading.to_check) validate(*group, node);
}

}  // namespace bt
