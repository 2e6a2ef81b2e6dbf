#include "rope_config.h"

#include <optional>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr NumberRange kThetaRange{1, 1e12};
constexpr NumberRange kFactorRange{1, 1e6};
constexpr NumberRange kFrequencyFactorRange{1e-6, 1e6};
constexpr IntegerRange kPositionRange{1, int64_t{1} << 31};

std::string rope_type(const JsonReader& reader) {
  const char* key = reader.has("rope_type") ? "rope_type" : "type";  // `type` is the older spelling
  const std::string type = reader.text(key, "default");
  if (reader.has("type") && reader.text("type") != type) {
    fail_bad_file({.what = "type and rope_type differ",
                   .where = reader.where("type"),
                   .expected = type,
                   .found = reader.text("type")});
  }
  if (type != "default" && type != "linear" && type != "llama3" && type != "dynamic") {
    fail_bad_file({.what = "unsupported rope type",
                   .where = reader.where(key),
                   .expected = "default, linear, llama3 or dynamic",
                   .found = type});
  }
  return type;
}

void refuse_partial_rotation(const JsonReader& reader) {
  if (reader.number("partial_rotary_factor", {0, 1}, 1) != 1) {
    fail_bad_file({.what = "partial rotary embedding is not supported",
                   .where = reader.where("partial_rotary_factor"),
                   .expected = "1 or no such key"});
  }
}

// Settings by layer type, {"full_attention": {...}, ...}, belong to families that are not read here; taken for plain
// settings they would silently mean the defaults.
void refuse_settings_by_layer(const JsonReader& reader) {
  for (const char* key : {"full_attention", "sliding_attention"}) {
    if (!reader.has(key)) continue;
    fail_bad_file({.what = "rope settings by layer type are not supported", .where = reader.where(key)});
  }
}

// Type and factors from rope_scaling or rope_parameters; theta is read apart.
RopeConfig parse_scaling(const JsonReader& reader, int64_t max_position) {
  refuse_settings_by_layer(reader);
  refuse_partial_rotation(reader);
  RopeConfig rope;
  rope.type = rope_type(reader);
  if (rope.type == "default") return rope;
  rope.factor = reader.number("factor", kFactorRange);
  if (rope.type == "linear") return rope;
  if (rope.type == "dynamic") {
    rope.original_max_position = reader.integer("original_max_position_embeddings", kPositionRange, max_position);
    return rope;
  }
  rope.low_freq_factor = reader.number("low_freq_factor", kFrequencyFactorRange);
  rope.high_freq_factor = reader.number("high_freq_factor", kFrequencyFactorRange);
  rope.original_max_position = reader.integer("original_max_position_embeddings", kPositionRange);
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    fail_bad_file({.what = "high_freq_factor must exceed low_freq_factor",
                   .where = reader.where("high_freq_factor"),
                   .expected = str("more than ", rope.low_freq_factor),
                   .found = str(rope.high_freq_factor)});
  }
  return rope;
}

bool same_scaling(const RopeConfig& a, const RopeConfig& b) {
  return a.type == b.type && a.factor == b.factor && a.low_freq_factor == b.low_freq_factor &&
         a.high_freq_factor == b.high_freq_factor && a.original_max_position == b.original_max_position;
}

// The base frequency may stand at the top, in rope_parameters or in rope_scaling; all that do must agree.
double parse_theta(const JsonReader& config, const std::optional<JsonReader>& parameters,
                   const std::optional<JsonReader>& scaling, double missing) {
  std::optional<double> theta;
  for (const JsonReader* reader : {&config, parameters ? &*parameters : nullptr, scaling ? &*scaling : nullptr}) {
    if (reader == nullptr || !reader->has("rope_theta")) continue;
    const double value = reader->number("rope_theta", kThetaRange);
    if (theta && *theta != value) {
      fail_bad_file({.what = "rope_theta is given twice, differently",
                     .where = reader->where("rope_theta"),
                     .expected = str(*theta),
                     .found = str(value)});
    }
    theta = value;
  }
  return theta.value_or(missing);
}

}  // namespace

RopeConfig parse_rope_config(const JsonReader& config, double default_theta, int64_t max_position) {
  refuse_partial_rotation(config);
  const std::optional<JsonReader> parameters = config.object("rope_parameters");
  const std::optional<JsonReader> scaling = config.object("rope_scaling");
  RopeConfig rope;
  if (parameters) rope = parse_scaling(*parameters, max_position);
  if (scaling) {
    const RopeConfig older = parse_scaling(*scaling, max_position);
    if (parameters && !same_scaling(rope, older)) {
      fail_bad_file({.what = "rope_parameters and rope_scaling differ",
                     .where = config.where("rope_scaling"),
                     .expected = rope.type,
                     .found = older.type,
                     .next_step = "remove one of the two"});
    }
    rope = older;
  }
  rope.theta = parse_theta(config, parameters, scaling, default_theta);
  return rope;
}

void add_rope_json(const RopeConfig& rope, Json& config) {
  Json scaling = Json::object();
  scaling.set("rope_type", rope.type);
  if (rope.type != "default") scaling.set("factor", rope.factor);
  if (rope.type == "llama3") {
    scaling.set("low_freq_factor", rope.low_freq_factor);
    scaling.set("high_freq_factor", rope.high_freq_factor);
  }
  if (rope.original_max_position > 0) {
    scaling.set("original_max_position_embeddings", rope.original_max_position);
  }
  config.set("rope_theta", rope.theta);
  config.set("rope_scaling", rope.type == "default" ? Json() : scaling);
  Json parameters = scaling;
  parameters.set("rope_theta", rope.theta);
  config.set("rope_parameters", std::move(parameters));
}

}  // namespace bt
