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
// header 100 MB (the format's), 100,000 tensors, rank 8, names of 1024 bytes.
SafetensorsHeader parse_safetensors_header(std::string_view bytes, uint64_t file_size, std::string_view source);

// How a file's data is reached. `mmap`: through the page cache, without a call per piece. `read`: by pread, for network
// file systems, where a mapped page that is lost ends the process with SIGBUS.
enum class LoadMode { mmap, read };

// A read-only file whose size was checked against its header. Replacing the file by rename is safe; a size changed in
// place is noticed before the next read, other changes are not.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path, LoadMode mode = LoadMode::mmap);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) = delete;

  const std::string& path() const;
  const SafetensorsHeader& header() const;
  const TensorEntry* find(std::string_view name) const;  // nullptr when absent
  // Copies the tensor's bytes from `offset` on into `out`, which must lie within them (asserted). Leaves nothing of the
  // file in the process's resident memory. Any number of threads at once. ExitCode::bad_file when the file's size has
  // changed, ExitCode::io when it cannot be read.
  void read(const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) const;
  std::vector<std::byte> data(const TensorEntry& entry) const;  // a copy of all of it

 private:
  struct Source;
  std::unique_ptr<Source> source_;
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
  explicit WeightFiles(const std::string& folder, LoadMode mode = LoadMode::mmap);
  static bool exist(const std::string& folder);  // a file or an index by that name is there, whatever is in it
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
