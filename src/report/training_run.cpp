#include "training_run.h"

#include <filesystem>

#include "bt/core/config_node.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/format/checkpoint_folder.h"
#include "bt/format/safetensors.h"
#include "bt/text/json_lines.h"

namespace bt::report {
namespace {

constexpr uint64_t kMostMetricsBytes = uint64_t{64} << 20, kMostConfigBytes = uint64_t{1} << 20;
constexpr size_t kMostKeys = 64, kMostLayers = 1024;

// A scalar of the config by its dotted path, or "".
std::string config_value(const ConfigNode& config, const std::string& path) {
  const ConfigNode* node = &config;
  for (const std::string& key : split(path, '.')) {
    node = node->find(key);
    if (node == nullptr) return "";
  }
  return node->kind == ConfigNode::Kind::scalar ? node->scalar : "";
}

ConfigNode parse_config(const std::string& text, const std::string& path) {
  try {
    return parse_yaml(text, path);
  } catch (const Error& error) {
    fail_bad_file(error.problem());  // a run's file, not what the user typed
  }
}

// "# bt 0.1.0 (5b40352bb8e8), LibTorch …", the first line bt-train writes.
std::string written_by(const std::string& config) {
  const std::string first = config.substr(0, config.find('\n'));
  return first.starts_with("# bt ") ? first.substr(2) : "unknown";
}

Provenance provenance_of(const std::string& folder, const std::string& text, const ConfigNode& config) {
  Provenance out{.name = {}, .folder = folder, .facts = {}, .config = text};
  out.facts = {{"written by", written_by(text)}, {"config SHA-256", sha256_hex(text)}};
  for (const auto& [heading, key] :
       {std::pair{"seed", "run.seed"}, {"dtype", "run.dtype"}, {"backbone", "model.path"}}) {
    const std::string value = config_value(config, key);
    if (!value.empty()) out.facts.emplace_back(heading, value);
  }
  return out;
}

void add_numbers(const Json& value, const std::string& where, std::vector<double>& numbers) {
  if (!value.is_array()) return numbers.push_back(number_or_nan(&value, where));
  for (const Json& item : value.as_array(where)) add_numbers(item, where, numbers);
}

void add_figure(TrainingRun& run, double step, const std::string& key, const Json& value, const std::string& where) {
  if (value.is_array()) {
    LayerFigures& layers = run.layers[key];
    layers.steps.push_back(step);
    add_numbers(value, where, layers.values.emplace_back());
    const size_t count = layers.values.back().size();
    if (count > kMostLayers) fail_too_many(where, "layers", kMostLayers, count);
  } else {
    Curve& curve = run.curves[key];
    curve.steps.push_back(step);
    curve.values.push_back(value.is_bool() ? value.as_bool(where) : number_or_nan(&value, where));
  }
}

// Lines that end: the last one of a run that was killed, or goes on, may not.
std::string whole_lines(const std::string& text) { return text.substr(0, text.rfind('\n') + 1); }

void add_metrics(TrainingRun& run, const std::string& path) {
  const std::string text = read_file(path, kMostMetricsBytes), lines = whole_lines(text);
  run.ends_cut_short = lines.size() < text.size();
  for_each_json_line(lines, path, [&run](const Json& line, const std::string& where) {
    const auto step = static_cast<double>(line.at("step", where + ": step").as_int(where + ": step"));
    for (const auto& [key, value] : line.as_object(where)) {
      if (key != "step") add_figure(run, step, key, value, str(where, ": ", quoted_excerpt(key)));
    }
    const size_t keys = run.curves.size() + run.layers.size();
    if (keys > kMostKeys) fail_too_many(where, "kinds of figures", kMostKeys, keys);
  });
}

// The optimiser keeps a first moment for every trained number.
int64_t trained_parameters(const std::string& folder) {
  const std::vector<Checkpoint> checkpoints = list_checkpoints(folder + "/checkpoints");
  if (checkpoints.empty()) return -1;
  const SafetensorsFile optimiser(checkpoints.back().path + "/optimizer.safetensors");
  uint64_t numbers = 0;
  for (const TensorEntry& entry : optimiser.header().tensors) {
    if (entry.name.ends_with(".exp_avg")) numbers += (entry.end - entry.begin) / dtype_bytes(entry.dtype);
  }
  return static_cast<int64_t>(numbers);
}

}  // namespace

const Curve* TrainingRun::find(const std::string& key) const {
  const auto found = curves.find(key);
  return found == curves.end() ? nullptr : &found->second;
}

TrainingRun read_training_run(const RunFolder& folder) {
  const std::string path = folder.path + "/config.resolved.yaml", text = read_file(path, kMostConfigBytes);
  const ConfigNode config = parse_config(text, path);
  TrainingRun run{.name = config_value(config, "run.name"), .folder = folder.path};
  if (run.name.empty()) run.name = folder.path;
  run.method = config_value(config, "latent.method");
  if (run.method.empty()) run.method = "none (SFT)";
  run.provenance = provenance_of(folder.path, text, config);
  if (folder.has_metrics) add_metrics(run, folder.path + "/metrics.jsonl");
  run.trained_parameters = trained_parameters(folder.path);
  return run;
}

}  // namespace bt::report
