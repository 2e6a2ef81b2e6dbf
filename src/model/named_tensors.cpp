#include "bt/model/named_tensors.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "bt/format/safetensors_writer.h"
#include "tensor_reading.h"

namespace bt {
namespace {

DType file_dtype(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
      return DType::f16;
    case at::kBFloat16:
      return DType::bf16;
    case at::kFloat:
      return DType::f32;
    case at::kDouble:
      return DType::f64;
    default:
      BT_ASSERT(!"a floating tensor");
      return DType::f32;
  }
}

std::string shape_text(at::IntArrayRef shape) { return bt::str(shape); }

void check_entry(const std::string& path, const std::string& name, const TensorEntry* entry, const at::Tensor& into) {
  const std::string where = str(path, ": ", name);
  if (entry == nullptr)
    fail_bad_file({.what = "tensor is missing", .where = where, .expected = shape_text(into.sizes())});
  if (into.sizes() != at::IntArrayRef(entry->shape)) {
    fail_bad_file({.what = "tensor has another shape",
                   .where = where,
                   .expected = shape_text(into.sizes()),
                   .found = shape_text(entry->shape)});
  }
  if (!floating_type(entry->dtype)) {
    fail_bad_file({.what = "tensor is not floating",
                   .where = where,
                   .expected = "F16, BF16, F32 or F64",
                   .found = std::string(dtype_name(entry->dtype))});
  }
}

// What lies contiguous on the CPU is written from where it is; from a device it comes in pieces.
void write_tensor(SafetensorsWriter& writer, const at::Tensor& tensor) {
  constexpr int64_t kPiece = int64_t{1} << 23;  // elements
  const at::Tensor flat = tensor.detach().contiguous().view(-1);
  for (int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const at::Tensor piece = flat.narrow(0, begin, std::min(kPiece, flat.numel() - begin)).to(at::kCPU);
    writer.write({static_cast<const std::byte*>(piece.const_data_ptr()), piece.nbytes()});
  }
}

[[noreturn]] void fail_unknown(const std::string& path, const std::string& name) {
  fail_bad_file({.what = "unknown tensor",
                 .where = str(path, ": ", name),
                 .next_step = "the file belongs to another model, method or config"});
}

void copy_entry(const SafetensorsFile& file, const TensorEntry& entry, const at::Tensor& into) {
  if (into.is_meta()) return;
  if (into.is_contiguous()) return read_tensor(file, entry, into);
  const at::Tensor whole = at::empty_like(into, at::MemoryFormat::Contiguous);
  read_tensor(file, entry, whole);
  into.detach().copy_(whole);
}

}  // namespace

void save_tensors(const std::string& path, const NamedTensors& tensors,
                  const std::map<std::string, std::string>& metadata) {
  const at::NoGradGuard no_grad;
  std::vector<TensorOutline> outlines;
  for (const auto& [name, tensor] : tensors)
    outlines.push_back({name, file_dtype(tensor.scalar_type()), tensor.sizes().vec()});
  SafetensorsWriter writer(path, std::move(outlines), metadata);
  for (const size_t i : writer.order()) write_tensor(writer, tensors[i].second);
  writer.commit();
}

void load_tensors(const std::string& path, const NamedTensors& into) {
  const at::NoGradGuard no_grad;
  const SafetensorsFile file(path, LoadMode::read);
  std::set<std::string> known;
  for (const auto& [name, tensor] : into) {
    check_entry(path, name, file.find(name), tensor);
    known.insert(name);
  }
  for (const TensorEntry& entry : file.header().tensors) {
    if (!known.contains(entry.name)) fail_unknown(path, entry.name);
  }
  for (const auto& [name, tensor] : into) copy_entry(file, *file.find(name), tensor);
}

uint64_t total_bytes(const NamedTensors& tensors) {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.nbytes();
  return bytes;
}

}  // namespace bt
