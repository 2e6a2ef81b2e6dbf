#include <algorithm>
#include <filesystem>
#include <set>

#include "bt/core/error.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "shard_index.h"

namespace bt {
namespace {

constexpr uint64_t kMaxIndexBytes = 100'000'000;  // as for the header of a shard

// The index and the headers of the shards must tell the same story.
void check_index(const ShardIndex& shard_of, const std::vector<SafetensorsFile>& files, const std::string& index_path) {
  std::map<std::string, const SafetensorsFile*> by_shard;
  for (const SafetensorsFile& file : files) {
    const std::string shard = std::filesystem::path(file.path()).filename().string();
    by_shard[shard] = &file;
    for (const TensorEntry& entry : file.header().tensors) {
      const auto listed = shard_of.find(entry.name);
      if (listed == shard_of.end() || listed->second != shard) {
        fail_bad_file({.what = "shard holds a tensor that the index does not place there",
                       .where = str(file.path(), ": tensor ", entry.name),
                       .expected = str("an entry in ", index_path),
                       .found = listed == shard_of.end() ? "none" : listed->second,
                       .next_step = "save the model again, so that index and shards agree"});
      }
    }
  }
  for (const auto& [tensor, shard] : shard_of) {
    if (by_shard.at(shard)->find(tensor) == nullptr) {
      fail_bad_file({.what = "tensor is not in its shard",
                     .where = str(index_path, ": weight_map.", tensor),
                     .expected = str("a tensor of ", shard),
                     .found = "none"});
    }
  }
}

std::vector<SafetensorsFile> open_shards(const std::string& folder, const std::string& index_path, LoadMode mode) {
  const ShardIndex shard_of = parse_shard_index(Json::parse_file(index_path, kMaxIndexBytes), index_path);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  std::vector<SafetensorsFile> files;
  files.reserve(shards.size());
  for (const std::string& shard : shards) files.emplace_back((std::filesystem::path(folder) / shard).string(), mode);
  check_index(shard_of, files, index_path);
  return files;
}

struct Places {
  explicit Places(const std::string& folder)
      : single((std::filesystem::path(folder) / "model.safetensors").string()),
        index((std::filesystem::path(folder) / "model.safetensors.index.json").string()) {
    std::error_code ignored;
    has_single = std::filesystem::exists(single, ignored);
    has_index = std::filesystem::exists(index, ignored);
  }
  std::string single, index;
  bool has_single, has_index;
};

std::vector<SafetensorsFile> open_weights(const std::string& folder, LoadMode mode) {
  const Places places(folder);
  std::vector<SafetensorsFile> files;
  if (places.has_single) {
    files.emplace_back(places.single, mode);
  } else if (places.has_index) {
    files = open_shards(folder, places.index, mode);
  } else {
    fail_bad_file(
        {.what = "no weights in the folder",
         .where = folder,
         .expected = "model.safetensors or model.safetensors.index.json",
         .next_step = "pickled .bin and .pt files are never read: convert them with transformers' save_pretrained"});
  }
  return files;
}

}  // namespace

bool WeightFiles::exist(const std::string& folder) {
  const Places places(folder);
  return places.has_single || places.has_index;
}

WeightFiles::WeightFiles(const std::string& folder, LoadMode mode)
    : folder_(folder), files_(open_weights(folder, mode)) {
  for (const SafetensorsFile& file : files_) {
    for (const TensorEntry& entry : file.header().tensors) by_name_.emplace(entry.name, Found{&file, &entry});
  }
}

bool WeightFiles::contains(std::string_view name) const { return by_name_.find(name) != by_name_.end(); }

WeightFiles::Found WeightFiles::at(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    fail_bad_file({.what = "tensor is missing",
                   .where = folder_,
                   .expected = std::string(name),
                   .found = str(by_name_.size(), " other tensors")});
  }
  return found->second;
}

std::vector<std::string> WeightFiles::names() const {
  std::vector<std::string> names;
  for (const auto& [name, found] : by_name_) names.push_back(name);
  return names;
}

}  // namespace bt
