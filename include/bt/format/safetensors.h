// The safetensors format (huggingface/safetensors README): strict reading before any allocation, canonical writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bt/format/dtype.h"

namespace bt {

struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;   // rank at most 8
  uint64_t begin = 0, end = 0;  // byte offsets in the data section
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
  uint64_t data_begin = 0;  // of the file
};

// Parses and validates the header of a file whose first bytes are `bytes` (all of the header at least) and whose size
// is file_size: no hole, no overlap, no duplicate, sizes equal to shapes, not a byte too few or too many. White space
// around the JSON is accepted, as the reference reader does. ExitCode::bad_file naming `source` and the tensor. Limits:
// header 100 MB (the format's), 1,000,000 tensors, rank 8, names of 1024 bytes.
SafetensorsHeader parse_safetensors_header(std::string_view bytes, uint64_t file_size, std::string_view source);

// A read-only mapped file; the file size is checked against the header before mapping. Data stays valid as long as the
// object, and may be unaligned for its type. Replacing the file by rename is safe, changing it in place is not.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) = delete;

  const std::string& path() const;
  const SafetensorsHeader& header() const;
  const TensorEntry* find(std::string_view name) const;  // nullptr when absent
  std::span<const std::byte> data(const TensorEntry& entry) const;

 private:
  struct Mapping;
  std::unique_ptr<Mapping> mapping_;
};

struct TensorBytes {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // contiguous, little-endian
};

// Writes atomically (`path`.tmp, sync, rename, sync of the folder) and byte for byte what the reference writer writes:
// tensors by descending alignment (its order of types), then name; header padded to 8 bytes. Names are distinct and
// data sizes equal shapes (asserted). Existing mappings of a replaced file stay valid. ExitCode::io on failure.
void write_safetensors(const std::string& path, std::vector<TensorBytes> tensors,
                       const std::map<std::string, std::string>& metadata = {});

// The tensors of a Hugging Face folder: model.safetensors, or else the shards of model.safetensors.index.json, whose
// names must be plain file names (symbolic links are followed) and which must agree with the index tensor by tensor.
// ExitCode::bad_file naming folder, index or shard.
class WeightFiles {
 public:
  explicit WeightFiles(const std::string& folder);
  struct Found {
    const SafetensorsFile* file;
    const TensorEntry* entry;
  };
  bool contains(std::string_view name) const;
  Found at(std::string_view name) const;   // ExitCode::bad_file naming the folder when absent
  std::vector<std::string> names() const;  // sorted

 private:
  std::string folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Found, std::less<>> by_name_;
};

}  // namespace bt
