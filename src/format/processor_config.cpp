#include "bt/format/processor_config.h"

#include <filesystem>
#include <limits>
#include <vector>

#include "bt/core/config_node.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/numerals.h"
#include "bt/core/strings.h"
#include "json_reader.h"

namespace bt {
namespace {

constexpr int64_t kFormatVersion = 2;
constexpr int64_t kMaxInteger = std::numeric_limits<int64_t>::max();
constexpr IntegerRange kSizeRange{1, int64_t{1} << 31};
constexpr uint64_t kMaxBytes = uint64_t{4} << 20;

std::string config_path(const std::string& folder) {
  return (std::filesystem::path(folder) / kProcessorConfigName).string();
}

// The fields of a BaseShape, key and member: those that say whether weights fit, then those that say whose they are.
template <class Shape, class Visitor>
void visit_shape(Shape& shape, Visitor&& visit) {
  visit("model_type", shape.model_type);
  visit("num_hidden_layers", shape.layers);
  visit("num_attention_heads", shape.heads);
  visit("num_key_value_heads", shape.kv_heads);
  visit("head_dim", shape.head_dim);
  visit("hidden_size", shape.hidden_size);
  visit("vocab_size", shape.vocab_size);
  visit("rope_type", shape.rope_type);
  visit("rope_theta", shape.rope_theta);
}

template <class Shape, class Visitor>
void visit_identity(Shape& shape, Visitor&& visit) {
  visit("tokenizer_sha256", shape.tokenizer_sha256);
  visit("weights_sha256", shape.weights_sha256);
}

struct FieldReader {
  const JsonReader& reader;
  void operator()(std::string_view key, std::string& value) const { value = reader.text(key); }
  void operator()(std::string_view key, int64_t& value) const { value = reader.integer(key, kSizeRange); }
  void operator()(std::string_view key, double& value) const { value = reader.number(key, {0, 1e12}); }
};

Json shape_json(const BaseShape& shape) {
  Json json = Json::object();
  visit_shape(shape, [&](const char* key, const auto& value) { json.set(key, Json(value)); });
  return json;
}

Json identity_json(const BaseShape& shape) {
  Json json = Json::object();
  visit_identity(shape, [&](const char* key, const auto& value) { json.set(key, Json(value)); });
  return json;
}

// Options as an object, for other programs to read: JSON is YAML, so what is written back reads alike.
Json scalar_json(const ConfigNode& node) {
  if (node.quoted) return node.scalar;
  if (node.scalar == "true" || node.scalar == "false") return node.scalar == "true";
  if (const auto integer = parse_integer(node.scalar)) return *integer;
  if (const auto number = parse_number(node.scalar)) return *number;
  return node.scalar;
}

Json options_json(const ConfigNode& node) {
  if (node.kind == ConfigNode::Kind::scalar) return scalar_json(node);
  if (node.is_null()) return {};
  Json out = node.is_map() ? Json::object() : Json::array();
  for (const ConfigNode& item : node.items) out.push_back(options_json(item));
  for (const ConfigNode::Entry& entry : node.entries) out.set(entry.key, options_json(entry.value));
  return out;
}

// The keys in which two objects of the same keys differ, with their values.
struct Differences {
  std::vector<std::string> wanted, given;
  bool any() const { return !wanted.empty(); }
};

Differences differences(const Json& wanted, const Json& given, std::string_view where) {
  Differences out;
  for (const auto& [key, value] : wanted.as_object(where)) {
    const Json& other = given.at(key, where);
    if (value == other) continue;
    out.wanted.push_back(str(key, " ", value.dump()));
    out.given.push_back(str(key, " ", other.dump()));
  }
  return out;
}

}  // namespace

BaseShape base_shape(const ModelConfig& model, std::string_view tokenizer_sha256, std::string_view weights_sha256) {
  return {.model_type = model.model_type,
          .layers = model.layers,
          .heads = model.heads,
          .kv_heads = model.kv_heads,
          .head_dim = model.head_dim,
          .hidden_size = model.hidden_size,
          .vocab_size = model.vocab_size,
          .rope_type = model.rope.type,
          .rope_theta = model.rope.theta,
          .tokenizer_sha256 = std::string(tokenizer_sha256),
          .weights_sha256 = std::string(weights_sha256)};
}

void write_processor_config(const std::string& folder, const ProcessorConfig& config) {
  Json base = shape_json(config.base);
  visit_identity(config.base, [&](const char* key, const auto& value) { base.set(key, Json(value)); });
  Json json = Json::object();
  json.set("format_version", kFormatVersion);
  json.set("method", config.method);
  json.set("base_model_name_or_path", config.base_model);
  json.set("base_model", std::move(base));
  json.set("options", options_json(parse_yaml(config.options, "options")));
  write_file_atomically(config_path(folder), json.dump(2) + "\n");
}

ProcessorConfig read_processor_config(const std::string& folder) {
  const std::string path = config_path(folder);
  const Json json = Json::parse_file(path, kMaxBytes);
  const JsonReader reader(json, path);
  if (const int64_t version = reader.integer("format_version", {1, kMaxInteger}); version != kFormatVersion) {
    fail_bad_file({.what = str("saved by ", version > kFormatVersion ? "a newer" : "an older", " version"),
                   .where = reader.where("format_version"),
                   .expected = str(kFormatVersion),
                   .found = str(version),
                   .next_step = version > kFormatVersion ? "use a newer build" : "train the method again"});
  }
  ProcessorConfig config;
  config.method = reader.text("method");
  config.base_model = reader.text("base_model_name_or_path", "");
  const Json& options = reader.required("options");
  options.as_object(reader.where("options"));
  config.options = options.dump(2);
  const JsonReader base(reader.required("base_model"), reader.where("base_model"));
  visit_shape(config.base, FieldReader{base});
  visit_identity(config.base, FieldReader{base});
  return config;
}

void check_base(const BaseShape& trained_on, const BaseShape& attached_to, std::string_view where, bool allow_other) {
  const Differences shape = differences(shape_json(trained_on), shape_json(attached_to), where);
  if (shape.any()) {
    fail_bad_file({.what = "the saved method was trained on a decoder of another shape",
                   .where = std::string(where),
                   .expected = join(shape.wanted, ", "),
                   .found = join(shape.given, ", "),
                   .next_step = "use the decoder it was trained on, or train the method on this one"});
  }
  const Differences identity = differences(identity_json(trained_on), identity_json(attached_to), where);
  if (!identity.any()) return;
  if (!allow_other) {
    fail_bad_file({.what = "the saved method was trained on another decoder of this shape",
                   .where = std::string(where),
                   .expected = join(identity.wanted, ", "),
                   .found = join(identity.given, ", "),
                   .next_step = "use the decoder it was trained on; --allow-other-backbone attaches it all the same"});
  }
  log::warning(str(where, ": override: attached to another decoder than it was trained on: expected ",
                   join(identity.wanted, ", "), "; found ", join(identity.given, ", ")));
}

}  // namespace bt
