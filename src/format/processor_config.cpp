#include "bt/format/processor_config.h"

#include <filesystem>
#include <limits>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "json_reader.h"

namespace bt {
namespace {

constexpr int64_t kFormatVersion = 1;
constexpr int64_t kMaxInteger = std::numeric_limits<int64_t>::max();
constexpr IntegerRange kSizeRange{1, int64_t{1} << 31};
constexpr uint64_t kMaxBytes = uint64_t{4} << 20;

std::string config_path(const std::string& folder) {
  return (std::filesystem::path(folder) / kProcessorConfigName).string();
}

// The one list of the fields of a BaseShape: key and member.
template <class Shape, class Visitor>
void visit_fields(Shape& shape, Visitor&& visit) {
  visit("model_type", shape.model_type);
  visit("num_hidden_layers", shape.layers);
  visit("num_attention_heads", shape.heads);
  visit("num_key_value_heads", shape.kv_heads);
  visit("head_dim", shape.head_dim);
  visit("hidden_size", shape.hidden_size);
  visit("vocab_size", shape.vocab_size);
  visit("rope_type", shape.rope_type);
  visit("rope_theta", shape.rope_theta);
  visit("tokenizer_sha256", shape.tokenizer_sha256);
}

struct FieldReader {
  const JsonReader& reader;
  void operator()(std::string_view key, std::string& value) const { value = reader.text(key); }
  void operator()(std::string_view key, int64_t& value) const { value = reader.integer(key, kSizeRange); }
  void operator()(std::string_view key, double& value) const { value = reader.number(key, {0, 1e12}); }
};

Json shape_json(const BaseShape& shape) {
  Json json = Json::object();
  visit_fields(shape, [&](const char* key, const auto& value) { json.set(key, Json(value)); });
  return json;
}

}  // namespace

BaseShape base_shape(const ModelConfig& model, std::string_view tokenizer_sha256) {
  return {.model_type = model.model_type,
          .layers = model.layers,
          .heads = model.heads,
          .kv_heads = model.kv_heads,
          .head_dim = model.head_dim,
          .hidden_size = model.hidden_size,
          .vocab_size = model.vocab_size,
          .rope_type = model.rope.type,
          .rope_theta = model.rope.theta,
          .tokenizer_sha256 = std::string(tokenizer_sha256)};
}

void write_processor_config(const std::string& folder, const ProcessorConfig& config) {
  Json json = Json::object();
  json.set("format_version", kFormatVersion);
  json.set("method", config.method);
  json.set("base_model_name_or_path", config.base_model);
  json.set("base_model", shape_json(config.base));
  json.set("options", config.options);
  write_file_atomically(config_path(folder), json.dump(2) + "\n");
}

ProcessorConfig read_processor_config(const std::string& folder) {
  const std::string path = config_path(folder);
  const Json json = Json::parse_file(path, kMaxBytes);
  const JsonReader reader(json, path);
  if (const int64_t version = reader.integer("format_version", {1, kMaxInteger}); version > kFormatVersion) {
    fail_bad_file({.what = "saved by a newer version",
                   .where = reader.where("format_version"),
                   .expected = str("at most ", kFormatVersion),
                   .found = str(version),
                   .next_step = "use a newer build"});
  }
  ProcessorConfig config;
  config.method = reader.text("method");
  config.base_model = reader.text("base_model_name_or_path", "");
  config.options = reader.text("options", "");
  const JsonReader base(reader.required("base_model"), reader.where("base_model"));
  visit_fields(config.base, FieldReader{base});
  return config;
}

void check_base_shape(const BaseShape& trained_on, const BaseShape& attached_to, std::string_view where) {
  const Json expected = shape_json(trained_on), found = shape_json(attached_to);
  std::vector<std::string> wanted, given;
  for (const auto& [key, value] : expected.as_object(where)) {
    const Json& other = found.at(key, where);
    if (value == other) continue;
    wanted.push_back(str(key, " ", value.dump()));
    given.push_back(str(key, " ", other.dump()));
  }
  if (wanted.empty()) return;
  fail_bad_file({.what = "the saved method was trained on another decoder",
                 .where = std::string(where),
                 .expected = join(wanted, ", "),
                 .found = join(given, ", "),
                 .next_step = "use the decoder it was trained on, or train the method on this one"});
}

}  // namespace bt
