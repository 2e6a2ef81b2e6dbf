#include <algorithm>
#include <optional>
#include <unordered_map>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "file_descriptor.h"
#include "mapped_bytes.h"
#include "safetensors_length.h"

namespace bt {
namespace {

SafetensorsHeader read_header(const FileDescriptor& file, uint64_t file_size) {
  std::string text(std::min(file_size, kSafetensorsLengthBytes), '\0');
  file.read_at(0, text);
  text.resize(kSafetensorsLengthBytes + safetensors_header_length(text, file_size, file.path()));
  file.read_at(0, text);
  return parse_safetensors_header(text, file_size, file.path());
}

}  // namespace

struct SafetensorsFile::Source {
  Source(const std::string& path, LoadMode mode)
      : file(FileDescriptor::open_for_reading(path)), size(file.size()), header(read_header(file, size)) {
    by_name.reserve(header.tensors.size());
    for (const TensorEntry& entry : header.tensors) by_name.emplace(entry.name, &entry);
    // Only now, with a header that accounts for every byte: a page past the end of a short file would be a SIGBUS.
    if (mode == LoadMode::mmap) mapped.emplace(file, size);
  }

  void check_size() const {
    const uint64_t now = file.size();
    if (now == size) return;
    fail_bad_file({.what = "file has changed while it was read",
                   .where = file.path(),
                   .expected = str(size, " bytes"),
                   .found = str(now, " bytes"),
                   .next_step = "let what writes it finish, then start again"});
  }

  FileDescriptor file;
  uint64_t size;
  SafetensorsHeader header;
  std::unordered_map<std::string_view, const TensorEntry*> by_name;  // into header.tensors
  std::optional<MappedBytes> mapped;
};

SafetensorsFile::SafetensorsFile(const std::string& path, LoadMode mode)
    : source_(std::make_unique<Source>(path, mode)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;

const std::string& SafetensorsFile::path() const { return source_->file.path(); }
const SafetensorsHeader& SafetensorsFile::header() const { return source_->header; }

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = source_->by_name.find(name);
  return found == source_->by_name.end() ? nullptr : found->second;
}

void SafetensorsFile::read(const TensorEntry& entry, uint64_t offset, std::span<std::byte> out) const {
  const uint64_t size = entry.end - entry.begin;
  BT_ASSERT(find(entry.name) == &entry && offset <= size && out.size() <= size - offset);
  source_->check_size();
  const uint64_t begin = source_->header.data_begin + entry.begin + offset;
  if (source_->mapped) {
    source_->mapped->copy(begin, out);
  } else {
    source_->file.read_at(begin, {reinterpret_cast<char*>(out.data()), out.size()});
  }
}

std::vector<std::byte> SafetensorsFile::data(const TensorEntry& entry) const {
  std::vector<std::byte> bytes(entry.end - entry.begin);
  read(entry, 0, bytes);
  return bytes;
}

}  // namespace bt
