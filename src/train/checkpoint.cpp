#include "bt/train/checkpoint.h"

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/format/checkpoint_folder.h"
#include "bt/options/train_options.h"

namespace bt {
namespace {

constexpr int64_t kFormatVersion = 1;
constexpr const char* kParameters = "parameters.safetensors";
constexpr const char* kOptimiser = "optimizer.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kConfig = "config.resolved.yaml";

std::vector<ConfigDifference> differences_from(const std::string& path, const std::string& resolved_config) {
  return config_differences(parse_yaml(read_file(path), path), parse_yaml(resolved_config, "this run"));
}

}  // namespace

Json TrainState::json() const {
  return Json::object({{"format_version", kFormatVersion},
                       {"step", step},
                       {"tokens", tokens},
                       {"optimiser_steps", optimiser_steps},
                       {"skipped_in_a_row", skipped_in_a_row},
                       {"flops", flops},
                       {"elapsed_s", elapsed_s},
                       {"training_s", training_s},
                       {"best_loss", best_loss ? Json(*best_loss) : Json()},
                       {"best_step", best_step},
                       {"cursor", cursor},
                       {"config_sha256", config_sha256},
                       {"data_sha256", Json::array({data_sha256.begin(), data_sha256.end()})}});
}

TrainState TrainState::parse(const Json& json, const std::string& source) {
  const auto place = [&](std::string_view key) { return str(source, ": ", key); };
  const auto count = [&](std::string_view key) {
    const int64_t value = json.at(key, source).as_int(place(key));
    if (value < 0)
      fail_bad_file({.what = "negative count", .where = place(key), .expected = "at least 0", .found = str(value)});
    return value;
  };
  if (const int64_t version = count("format_version"); version != kFormatVersion) {
    fail_bad_file({.what = "checkpoint of another format version",
                   .where = place("format_version"),
                   .expected = str(kFormatVersion),
                   .found = str(version),
                   .next_step = "resume with the version of bt-train that wrote it"});
  }
  TrainState state;
  state.step = count("step");
  state.tokens = count("tokens");
  state.optimiser_steps = count("optimiser_steps");
  state.skipped_in_a_row = count("skipped_in_a_row");
  state.flops = json.at("flops", source).as_double(place("flops"));
  state.elapsed_s = json.at("elapsed_s", source).as_double(place("elapsed_s"));
  state.training_s = json.at("training_s", source).as_double(place("training_s"));
  if (const Json& best = json.at("best_loss", source); !best.is_null())
    state.best_loss = best.as_double(place("best_loss"));
  state.best_step = count("best_step");
  state.cursor = json.at("cursor", source);
  state.config_sha256 = json.at("config_sha256", source).as_string(place("config_sha256"));
  for (const Json& sum : json.at("data_sha256", source).as_array(place("data_sha256"))) {
    state.data_sha256.push_back(sum.as_string(place("data_sha256")));
  }
  return state;
}

void save_checkpoint(const std::string& folder, const TrainState& state, const TrainTensors& tensors,
                     const std::string& resolved_config) {
  constexpr uint64_t kHeadersAndText = 1 << 20;
  CheckpointWriter writer(folder, state.step,
                          total_bytes(tensors.parameters) + total_bytes(tensors.optimiser) + kHeadersAndText);
  save_tensors(writer.file_path(kParameters), tensors.parameters);
  writer.add_file(kParameters);
  save_tensors(writer.file_path(kOptimiser), tensors.optimiser);
  writer.add_file(kOptimiser);
  writer.add_bytes(kState, state.json().dump(1));
  writer.add_bytes(kConfig, resolved_config);
  writer.commit();
}

TrainState load_checkpoint(const std::string& path, const TrainTensors& tensors) {
  const std::string state_path = path + "/" + kState;
  TrainState state = TrainState::parse(Json::parse_file(state_path), state_path);
  load_tensors(path + "/" + kParameters, tensors.parameters);
  load_tensors(path + "/" + kOptimiser, tensors.optimiser);
  return state;
}

bool has_same_config(const std::string& run_folder, const std::string& resolved_config) {
  const std::string path = run_folder + "/" + kConfig;
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) && differences_from(path, resolved_config).empty();
}

void check_same_config(const std::string& checkpoint, const std::string& resolved_config) {
  const std::string path = checkpoint + "/" + kConfig;
  const std::vector<ConfigDifference> differences = differences_from(path, resolved_config);
  if (differences.empty()) return;
  std::vector<std::string> lines;
  for (const ConfigDifference& difference : differences) {
    lines.push_back(str(difference.key, ": ", difference.before, " -> ", difference.after));
  }
  fail_usage({.what = "the run was started with another config",
              .where = path,
              .expected = "the same config",
              .found = join(lines, "; "),
              .next_step = "undo the change, or use another run.out, or --resume none to start anew"});
}

}  // namespace bt
