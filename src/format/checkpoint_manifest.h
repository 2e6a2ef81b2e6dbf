// manifest.json of a checkpoint: what belongs to it, with sizes and checksums.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bt {

inline constexpr std::string_view kManifestName = "manifest.json";

struct ManifestFile {
  std::string name;
  uint64_t bytes = 0;
  uint32_t crc32 = 0;
};

struct CheckpointManifest {
  int64_t step = 0;
  std::vector<ManifestFile> files;
};

// Size and CRC-32 of a file, read in pieces.
ManifestFile measure_file(const std::string& path, std::string_view name);

std::string manifest_text(const CheckpointManifest& manifest);
CheckpointManifest read_manifest(const std::string& checkpoint);  // ExitCode::bad_file

}  // namespace bt
