#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "file_descriptor.h"
#include "safetensors_length.h"

namespace bt {
namespace {

// The reference writer orders tensors by its own list of element types, which runs by rising alignment.
int reference_rank(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return 0;
    case DType::u8:
      return 1;
    case DType::i8:
      return 2;
    case DType::i16:
      return 3;
    case DType::f16:
      return 4;
    case DType::bf16:
      return 5;
    case DType::i32:
      return 6;
    case DType::f32:
      return 7;
    case DType::f64:
      return 8;
    case DType::i64:
      return 9;
  }
  BT_ASSERT(false && "unknown DType");
  return 0;
}

void sort_canonically(std::vector<TensorBytes>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorBytes& a, const TensorBytes& b) {
    const int rank_a = reference_rank(a.dtype), rank_b = reference_rank(b.dtype);
    return rank_a != rank_b ? rank_a > rank_b : a.name < b.name;
  });
}

void check_tensor(const TensorBytes& tensor) {
  BT_ASSERT(tensor.name != "__metadata__" && is_valid_utf8(tensor.name));
  uint64_t bytes = dtype_bytes(tensor.dtype);
  for (const int64_t size : tensor.shape)
    bytes = checked_mul(bytes, checked_cast<uint64_t>(size, tensor.name), tensor.name);
  BT_ASSERT(bytes == tensor.data.size());
}

Json entry_json(const TensorBytes& tensor, uint64_t begin) {
  Json shape = Json::array();
  for (const int64_t size : tensor.shape) shape.push_back(size);
  Json entry = Json::object();
  entry.set("dtype", dtype_name(tensor.dtype));
  entry.set("shape", std::move(shape));
  entry.set("data_offsets", Json::array({begin, begin + tensor.data.size()}));
  return entry;
}

// Length, JSON and padding: all that stands before the data.
std::string header_bytes(const std::vector<TensorBytes>& tensors, const std::map<std::string, std::string>& metadata) {
  Json::Object members;
  if (!metadata.empty()) {
    Json texts = Json::object();
    for (const auto& [key, text] : metadata) texts.set(key, text);
    members.emplace_back("__metadata__", std::move(texts));
  }
  uint64_t begin = 0;
  for (const TensorBytes& tensor : tensors) {
    members.emplace_back(tensor.name, entry_json(tensor, begin));
    begin = checked_add(begin, static_cast<uint64_t>(tensor.data.size()), tensor.name);
  }
  std::string json = Json::object(std::move(members)).dump();
  json.resize((json.size() + 7) / 8 * 8, ' ');
  std::string bytes;
  for (uint64_t i = 0; i < kSafetensorsLengthBytes; ++i)
    bytes.push_back(static_cast<char>(json.size() >> (8 * i) & 0xff));
  return bytes + json;
}

void write_parts(const std::string& path, std::string_view header, const std::vector<TensorBytes>& tensors) {
  FileDescriptor file = FileDescriptor::create(path);
  file.write(header);
  for (const TensorBytes& tensor : tensors) {
    file.write({reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()});
  }
  file.sync();
  file.close();
}

}  // namespace

void write_safetensors(const std::string& path, std::vector<TensorBytes> tensors,
                       const std::map<std::string, std::string>& metadata) {
  for (const TensorBytes& tensor : tensors) check_tensor(tensor);
  sort_canonically(tensors);
  for (size_t i = 1; i < tensors.size(); ++i) BT_ASSERT(tensors[i].name != tensors[i - 1].name);

  const std::string temporary = path + ".tmp";  // one fixed name, so that the next save takes over what a kill left
  try {
    write_parts(temporary, header_bytes(tensors, metadata), tensors);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) fail_io({.what = "cannot rename to", .where = path});
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
  sync_folder(std::filesystem::absolute(path).parent_path().string());
}

}  // namespace bt
