#include <map>
#include <set>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/options/train_options.h"

namespace bt {

void ExperimentOptions::fields(OptionFields& f) {
  f.group("run", run, "the run itself");
  f.group("model", model, "the backbone");
  f.variant("latent", "method", method, latent, &make_method_options, method_names(),
            "latent method; absent: plain fine-tuning");
  f.group("data", data, "what is learned from");
  f.group("train", train, "optimisation");
  f.group("checkpoint", checkpoint, "what is saved when");
  f.group("log", log, "what is reported when");
}

void ExperimentOptions::validate() const {
  if (train.validate_every > 0 && data.validation.empty()) {
    fail_usage({.what = "validation without a validation file",
                .where = "data.validation",
                .expected = "a held-out file",
                .found = "none",
                .next_step = "give one, or set train.validate_every: 0"});
  }
}

TriggerOptions ExperimentOptions::trigger() const {
  if (const auto* options = dynamic_cast<const MethodOptions*>(latent.get())) return options->resolved_trigger();
  return {.kind = "none", .at_prompt_end = false};
}

ConfigNode read_config(const std::string& path, const std::vector<std::string>& overrides) {
  ConfigNode root = parse_yaml_file(path);
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  return root;
}

std::vector<std::string> plugin_paths(const ConfigNode& config) {
  const ConfigNode* run = config.find("run");
  const ConfigNode* plugins = run != nullptr ? run->find("plugins") : nullptr;
  std::vector<std::string> paths;
  if (plugins == nullptr) return paths;
  for (const ConfigNode& item : plugins->items) paths.push_back(item.scalar);
  return paths;
}

namespace {

using FlatConfig = std::map<std::string, std::string>;  // dotted key to value

void flatten(const ConfigNode& node, const std::string& key, FlatConfig& out) {
  switch (node.kind) {
    case ConfigNode::Kind::null:
      out[key] = "null";
      return;
    case ConfigNode::Kind::scalar:
      out[key] = node.scalar;
      return;
    case ConfigNode::Kind::sequence:
      out[key + "[]"] = str(node.items.size(), " items");
      for (size_t i = 0; i < node.items.size(); ++i) flatten(node.items[i], str(key, "[", i, "]"), out);
      return;
    case ConfigNode::Kind::map:
      for (const auto& entry : node.entries) flatten(entry.value, key.empty() ? entry.key : key + "." + entry.key, out);
      return;
  }
}

bool may_change(std::string_view key) {
  return key == "run.name" || key == "run.out" || key == "model.load" || key.starts_with("checkpoint.") ||
         key.starts_with("log.");
}

std::string value_of(const FlatConfig& config, const std::string& key) {
  const auto found = config.find(key);
  return found == config.end() ? "-" : found->second;
}

}  // namespace

std::vector<ConfigDifference> config_differences(const ConfigNode& before, const ConfigNode& after) {
  FlatConfig old_values, new_values;
  flatten(before, "", old_values);
  flatten(after, "", new_values);
  std::set<std::string> keys;
  for (const auto& [key, value] : old_values) keys.insert(key);
  for (const auto& [key, value] : new_values) keys.insert(key);
  std::vector<ConfigDifference> differences;
  for (const std::string& key : keys) {
    ConfigDifference difference{key, value_of(old_values, key), value_of(new_values, key)};
    if (!may_change(key) && difference.before != difference.after) differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace bt
