#include "bt/format/safetensors_writer.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <set>
#include <string_view>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/format/disk_space.h"
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

std::vector<size_t> canonical_order(const std::vector<TensorOutline>& tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) {
    const TensorOutline &a = tensors[i], &b = tensors[j];
    const int rank_a = reference_rank(a.dtype), rank_b = reference_rank(b.dtype);
    return rank_a != rank_b ? rank_a > rank_b : a.name < b.name;
  });
  return order;
}

uint64_t data_bytes(const TensorOutline& tensor) {
  BT_ASSERT(tensor.name != "__metadata__" && is_valid_utf8(tensor.name));
  uint64_t bytes = dtype_bytes(tensor.dtype);
  for (const int64_t size : tensor.shape)
    bytes = checked_mul(bytes, checked_cast<uint64_t>(size, tensor.name), tensor.name);
  return bytes;
}

void check_distinct(const std::vector<TensorOutline>& tensors) {
  std::set<std::string_view> names;
  for (const TensorOutline& tensor : tensors) BT_ASSERT(names.insert(tensor.name).second);
}

Json entry_json(const TensorOutline& tensor, uint64_t begin, uint64_t end) {
  Json shape = Json::array();
  for (const int64_t size : tensor.shape) shape.push_back(size);
  Json entry = Json::object();
  entry.set("dtype", dtype_name(tensor.dtype));
  entry.set("shape", std::move(shape));
  entry.set("data_offsets", Json::array({begin, end}));
  return entry;
}

std::string with_length(std::string json) {
  json.resize((json.size() + 7) / 8 * 8, ' ');
  std::string bytes;
  for (uint64_t i = 0; i < kSafetensorsLengthBytes; ++i)
    bytes.push_back(static_cast<char>(json.size() >> (8 * i) & 0xff));
  return bytes + json;
}

}  // namespace

struct SafetensorsWriter::Output {
  // One fixed temporary name, so that the next save takes over what a kill left.
  explicit Output(const std::string& to) : path(to), file(FileDescriptor::create(path + ".tmp")) {}
  ~Output() {
    std::error_code ignored;
    if (!committed) std::filesystem::remove(file.path(), ignored);
  }
  std::string folder() const { return std::filesystem::absolute(path).parent_path().string(); }

  std::string path;
  FileDescriptor file;
  std::vector<size_t> order;
  uint64_t missing = 0;  // bytes of data
  bool committed = false;
};

SafetensorsWriter::SafetensorsWriter(std::string path, std::vector<TensorOutline> tensors,
                                     const std::map<std::string, std::string>& metadata) {
  check_distinct(tensors);
  std::vector<size_t> order = canonical_order(tensors);
  Json::Object members;
  if (!metadata.empty()) {
    Json texts = Json::object();
    for (const auto& [key, text] : metadata) texts.set(key, text);
    members.emplace_back("__metadata__", std::move(texts));
  }
  uint64_t end = 0;
  for (const size_t i : order) {
    const uint64_t begin = end;
    end = checked_add(begin, data_bytes(tensors[i]), tensors[i].name);
    members.emplace_back(tensors[i].name, entry_json(tensors[i], begin, end));
  }
  const std::string header = with_length(Json::object(std::move(members)).dump());

  output_ = std::make_unique<Output>(path);
  output_->order = std::move(order);
  output_->missing = end;
  check_free_space(output_->folder(), checked_add(end, static_cast<uint64_t>(header.size()), path));
  output_->file.write(header);
}

SafetensorsWriter::~SafetensorsWriter() = default;

const std::vector<size_t>& SafetensorsWriter::order() const { return output_->order; }

void SafetensorsWriter::write(std::span<const std::byte> data) {
  BT_ASSERT(!output_->committed && data.size() <= output_->missing);
  output_->file.write({reinterpret_cast<const char*>(data.data()), data.size()});
  output_->missing -= data.size();
}

void SafetensorsWriter::commit() {
  BT_ASSERT(!output_->committed && output_->missing == 0);
  output_->file.sync();
  output_->file.close();
  if (std::rename(output_->file.path().c_str(), output_->path.c_str()) != 0)
    fail_io({.what = "cannot rename to", .where = output_->path});
  output_->committed = true;
  sync_folder(output_->folder());
}

void write_safetensors(const std::string& path, std::vector<TensorBytes> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorOutline> outlines;
  for (const TensorBytes& tensor : tensors) {
    outlines.push_back({tensor.name, tensor.dtype, tensor.shape});
    BT_ASSERT(data_bytes(outlines.back()) == tensor.data.size());
  }
  SafetensorsWriter writer(path, std::move(outlines), metadata);
  for (const size_t i : writer.order()) writer.write(tensors[i].data);
  writer.commit();
}

}  // namespace bt
