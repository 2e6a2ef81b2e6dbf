// Backbones as Hugging Face folders: config.json beside model.safetensors or its shards.
#include <ATen/ATen.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "backbone.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "bt/model/named_tensors.h"
#include "tensor_reading.h"

namespace bt {
namespace {

constexpr std::string_view kHead = "lm_head.weight", kEmbedding = "model.embed_tokens.weight";

struct TypeNames {
  at::ScalarType type;
  DType dtype;
  const char* transformers;
};
constexpr TypeNames kTypes[] = {{at::kFloat, DType::f32, "float32"},
                                {at::kBFloat16, DType::bf16, "bfloat16"},
                                {at::kHalf, DType::f16, "float16"},
                                {at::kDouble, DType::f64, "float64"}};

const TypeNames* names_of(DType dtype) {
  const auto found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeNames& t) { return t.dtype == dtype; });
  return found == std::end(kTypes) ? nullptr : found;
}

const TypeNames& names_of(at::ScalarType type) {
  const auto found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeNames& t) { return t.type == type; });
  BT_ASSERT(found != std::end(kTypes));
  return *found;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::vector<std::string> extents;
  for (int64_t extent : shape) extents.push_back(str(extent));
  return str("[", join(extents, ", "), "]");
}

// The first few of a list that may be long.
std::string some_of(std::vector<std::string> names) {
  constexpr size_t kShown = 5;
  const size_t count = names.size();
  if (count <= kShown) return join(names, ", ");
  names.resize(kShown);
  return str(join(names, ", "), " and ", count - kShown, " more");
}

// Old Llama files carry the rotary frequencies, which the config determines; a tied head may be stored twice.
bool is_redundant(const ModelConfig& config, std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || (name == kHead && config.tie_word_embeddings);
}

void check_names(const ModelConfig& config, const std::vector<ParameterInfo>& infos, const WeightFiles& files,
                 const std::string& folder) {
  std::vector<std::string> expected, missing, unknown;
  for (const ParameterInfo& info : infos) expected.push_back(info.name);
  std::sort(expected.begin(), expected.end());
  const std::vector<std::string> found = files.names();
  std::set_difference(expected.begin(), expected.end(), found.begin(), found.end(), std::back_inserter(missing));
  std::set_difference(found.begin(), found.end(), expected.begin(), expected.end(), std::back_inserter(unknown));
  std::erase_if(unknown, [&](const std::string& name) { return is_redundant(config, name); });
  if (!missing.empty()) {
    fail_bad_file({.what = "weights lack tensors that config.json asks for",
                   .where = folder,
                   .expected = some_of(missing),
                   .found = unknown.empty() ? "" : "tensors it does not ask for: " + some_of(unknown),
                   .next_step = "check that config.json and the weights are of one model"});
  }
  if (!unknown.empty()) {
    fail_bad_file(
        {.what = str("weights hold tensors that this ", config.model_type, " config does not use"),
         .where = folder,
         .found = some_of(unknown),
         .next_step = "check attention_bias, mlp_bias, tie_word_embeddings and num_hidden_layers in config.json"});
  }
}

void check_tensor(const ParameterInfo& info, const WeightFiles::Found& found) {
  const std::string where = str(found.file->path(), ": ", info.name);
  if (found.entry->shape != info.shape) {
    fail_bad_file({.what = "tensor has a shape that config.json does not give",
                   .where = where,
                   .expected = shape_text(info.shape),
                   .found = shape_text(found.entry->shape)});
  }
  if (names_of(found.entry->dtype) == nullptr) {
    fail_bad_file({.what = "element type of a weight is not read",
                   .where = where,
                   .expected = "F32, BF16, F16 or F64",
                   .found = std::string(dtype_name(found.entry->dtype)),
                   .next_step = "quantised weights are not supported: save the model in bfloat16"});
  }
}

bool same_bytes(const WeightFiles::Found& a, const WeightFiles::Found& b) {
  constexpr uint64_t kPiece = 1 << 20;
  const uint64_t size = a.entry->end - a.entry->begin;
  if (b.entry->end - b.entry->begin != size) return false;
  std::vector<std::byte> piece_a(std::min(kPiece, size)), piece_b(piece_a.size());
  for (uint64_t at = 0; at < size; at += piece_a.size()) {
    piece_a.resize(std::min(kPiece, size - at));
    piece_b.resize(piece_a.size());
    a.file->read(*a.entry, at, piece_a);
    b.file->read(*b.entry, at, piece_b);
    if (piece_a != piece_b) return false;
  }
  return true;
}

// transformers would use the stored head although the config ties it; we refuse to guess which is meant.
void check_tied_head(const ModelConfig& config, const WeightFiles& files) {
  if (!config.tie_word_embeddings || !files.contains(kHead)) return;
  const WeightFiles::Found head = files.at(kHead);
  if (same_bytes(head, files.at(kEmbedding))) return;
  fail_bad_file({.what = "config.json ties the head to the embedding, but the weights hold two different ones",
                 .where = str(head.file->path(), ": ", kHead),
                 .next_step = "set tie_word_embeddings to false, or remove lm_head.weight"});
}

void check_weights(const ModelConfig& config, const WeightFiles& files, const std::string& folder) {
  const std::vector<ParameterInfo> infos = backbone_parameters(config);
  check_names(config, infos, files, folder);
  for (const ParameterInfo& info : infos) check_tensor(info, files.at(info.name));
  check_tied_head(config, files);
}

Backbone unset_backbone(const ModelConfig& config, c10::TensorOptions options, bool trainable) {
  Backbone backbone;
  backbone.parameters =
      std::make_unique<ParameterStore>(backbone_parameters(config), options, trainable, ParameterStore::Values::unset);
  backbone.decoder = decoder_of(config, *backbone.parameters);
  return backbone;
}

}  // namespace

Backbone load_backbone(const std::string& folder, c10::TensorOptions options, bool trainable, LoadMode mode) {
  const ModelConfig config = read_model_config(folder);
  const WeightFiles files(folder, mode);
  check_weights(config, files, folder);
  Backbone backbone = unset_backbone(config, options, trainable);
  for (const auto& [name, tensor] : backbone.parameters->named()) {
    const WeightFiles::Found found = files.at(name);
    read_tensor(*found.file, *found.entry, tensor);
  }
  backbone.parameters->refresh();
  return backbone;
}

Backbone outline_backbone(const std::string& folder, at::ScalarType dtype, bool trainable) {
  const ModelConfig config = read_model_config(folder);
  if (WeightFiles::exist(folder)) {
    check_weights(config, WeightFiles(folder), folder);
  } else {
    log::warning("no weights in " + folder + ": sizes are those of its config.json");
  }
  return unset_backbone(config, at::TensorOptions(at::kMeta).dtype(dtype), trainable);
}

void save_backbone(const Backbone& backbone, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    errno = error.value();
    fail_io({.what = "cannot make the folder", .where = folder});
  }

  const std::filesystem::path root(folder);
  save_tensors((root / "model.safetensors").string(), backbone.parameters->named(), {{"format", "pt"}});
  const TypeNames& type = names_of(backbone.parameters->masters().scalar_type());
  const Json config = model_config_json(backbone.decoder.config, type.transformers);
  write_file_atomically((root / "config.json").string(), config.dump(2) + "\n");
}

}  // namespace bt
