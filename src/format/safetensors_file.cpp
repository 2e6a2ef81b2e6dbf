#include <sys/mman.h>

#include <algorithm>
#include <unordered_map>

#include "bt/core/error.h"
#include "bt/format/safetensors.h"
#include "file_descriptor.h"
#include "safetensors_length.h"

namespace bt {

struct SafetensorsFile::Mapping {
  explicit Mapping(const std::string& file_path) : path(file_path) {
    const FileDescriptor file = FileDescriptor::open_for_reading(path);
    size = file.size();
    header = read_header(file, size, path);
    by_name.reserve(header.tensors.size());
    for (const TensorEntry& entry : header.tensors) by_name.emplace(entry.name, &entry);
    // Only now, with a header that accounts for every byte: a page past the end of a short file would be a SIGBUS.
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.handle(), 0);
    if (address == MAP_FAILED) fail_io({.what = "cannot map file", .where = path});
    bytes = static_cast<const std::byte*>(address);
  }
  ~Mapping() {
    if (bytes != nullptr) ::munmap(const_cast<std::byte*>(bytes), size);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  static SafetensorsHeader read_header(const FileDescriptor& file, uint64_t file_size, const std::string& path) {
    std::string text(std::min(file_size, kSafetensorsLengthBytes), '\0');
    file.read_at(0, text);
    text.resize(kSafetensorsLengthBytes + safetensors_header_length(text, file_size, path));
    file.read_at(0, text);
    return parse_safetensors_header(text, file_size, path);
  }

  std::string path;
  uint64_t size = 0;
  SafetensorsHeader header;
  const std::byte* bytes = nullptr;
  std::unordered_map<std::string_view, const TensorEntry*> by_name;  // into header.tensors
};

SafetensorsFile::SafetensorsFile(const std::string& path) : mapping_(std::make_unique<Mapping>(path)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;

const std::string& SafetensorsFile::path() const { return mapping_->path; }
const SafetensorsHeader& SafetensorsFile::header() const { return mapping_->header; }

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = mapping_->by_name.find(name);
  return found == mapping_->by_name.end() ? nullptr : found->second;
}

std::span<const std::byte> SafetensorsFile::data(const TensorEntry& entry) const {
  BT_ASSERT(find(entry.name) == &entry);
  return {mapping_->bytes + mapping_->header.data_begin + entry.begin, entry.end - entry.begin};
}

}  // namespace bt
