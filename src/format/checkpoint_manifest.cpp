#include "checkpoint_manifest.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "file_descriptor.h"
#include "file_name.h"
#include "json_reader.h"

namespace bt {
namespace {

constexpr int64_t kFormatVersion = 1;
constexpr int64_t kMaxInteger = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMaxManifestBytes = uint64_t{16} << 20;

ManifestFile parse_file(const Json& json, const std::string& place) {
  const JsonReader reader(json, place);
  ManifestFile file;
  file.name = reader.text("name");
  if (!is_plain_file_name(file.name)) {
    fail_bad_file({.what = "not a plain file name",
                   .where = reader.where("name"),
                   .expected = "a file of the checkpoint",
                   .found = Json(file.name).dump()});
  }
  file.bytes = static_cast<uint64_t>(reader.integer("bytes", {0, kMaxInteger}));
  file.crc32 = static_cast<uint32_t>(reader.integer("crc32", {0, std::numeric_limits<uint32_t>::max()}));
  return file;
}

}  // namespace

ManifestFile measure_file(const std::string& path, std::string_view name) {
  const FileDescriptor file = FileDescriptor::open_for_reading(path);
  ManifestFile measured{std::string(name), file.size(), 0};
  std::string piece(std::min(measured.bytes, uint64_t{4} << 20), '\0');
  for (uint64_t offset = 0; offset < measured.bytes; offset += piece.size()) {
    piece.resize(std::min<uint64_t>(piece.size(), measured.bytes - offset));
    file.read_at(offset, piece);
    measured.crc32 = crc32(piece, measured.crc32);
  }
  return measured;
}

std::string manifest_text(const CheckpointManifest& manifest) {
  Json files = Json::array();
  for (const ManifestFile& file : manifest.files) {
    Json entry = Json::object();
    entry.set("name", file.name);
    entry.set("bytes", file.bytes);
    entry.set("crc32", static_cast<int64_t>(file.crc32));
    files.push_back(std::move(entry));
  }
  Json json = Json::object();
  json.set("format_version", kFormatVersion);
  json.set("step", manifest.step);
  json.set("files", std::move(files));
  return json.dump(2) + "\n";
}

CheckpointManifest read_manifest(const std::string& checkpoint) {
  const std::string path = (std::filesystem::path(checkpoint) / kManifestName).string();
  const Json json = Json::parse_file(path, kMaxManifestBytes);
  const JsonReader reader(json, path);
  if (const int64_t version = reader.integer("format_version", {1, kMaxInteger}); version > kFormatVersion) {
    fail_bad_file({.what = "checkpoint of a newer version",
                   .where = reader.where("format_version"),
                   .expected = str("at most ", kFormatVersion),
                   .found = str(version),
                   .next_step = "use a newer build"});
  }
  CheckpointManifest manifest;
  manifest.step = reader.integer("step", {0, kMaxInteger});
  for (const Json& entry : reader.required("files").as_array(reader.where("files"))) {
    manifest.files.push_back(parse_file(entry, reader.where("files")));
  }
  return manifest;
}

}  // namespace bt
