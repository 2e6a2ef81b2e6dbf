#include "bt/model/parameters.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <tuple>

#include "bt/core/checked.h"
#include "bt/core/random.h"

namespace bt {
namespace {

// Elements. A slot whose size is a multiple keeps the next one aligned for vector loads and GEMM in every dtype.
constexpr int64_t kAlignment = 16;

int64_t elements(const ParameterInfo& info) {
  int64_t size = 1;
  for (int64_t extent : info.shape) {
    BT_ASSERT(extent > 0);
    size = checked_mul(size, extent, info.name);
  }
  return size;
}

int64_t copies(const ParameterInfo& info) { return std::max<int64_t>(info.layers, 1); }

bool same_settings(const ParameterGroup& group, const ParameterInfo& info) {
  return group.decay == info.decay && group.lr_multiplier == info.lr_multiplier;
}

std::vector<int64_t> with_layers(const ParameterInfo& info, int64_t layers) {
  std::vector<int64_t> shape = info.shape;
  if (info.layers > 0) shape.insert(shape.begin(), layers);
  return shape;
}

// Memory for `count` elements, in large pages where the system has them: small ones cost a page fault each when they
// are first written, seconds for a model of some gigabytes, and more address translation ever after.
at::Tensor new_buffer(int64_t count, const c10::TensorOptions& options) {
  constexpr uintptr_t kLargePage = uintptr_t{2} << 20;
  const at::Tensor buffer = at::empty({count}, options);
  if (!buffer.is_cpu()) return buffer;
  const auto address = reinterpret_cast<uintptr_t>(buffer.const_data_ptr());
  const uintptr_t begin = (address + kLargePage - 1) / kLargePage * kLargePage;
  const uintptr_t end = (address + buffer.nbytes()) / kLargePage * kLargePage;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // advice only
  return buffer;
}

void fill(const at::Tensor& values, const ParameterInfo& info, uint64_t seed) {
  if (values.is_meta()) return;  // sizes without values
  switch (info.init) {
    case ParameterInfo::Init::zeros:
      values.zero_();
      return;
    case ParameterInfo::Init::ones:
      values.fill_(1);
      return;
    case ParameterInfo::Init::constant:
      values.fill_(info.value);
      return;
    case ParameterInfo::Init::normal:
      break;
  }
  at::Tensor draws = at::empty(values.sizes(), at::kFloat);
  const std::span<float> span(draws.mutable_data_ptr<float>(), static_cast<size_t>(draws.numel()));
  constexpr int64_t kPart = 1 << 16;
  const uint64_t stream = stream_id(info.name.c_str());
  at::parallel_for(0, draws.numel(), kPart, [&](int64_t begin, int64_t end) {  // draws do not depend on the parts
    fill_normal(span.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)), info.value, seed, stream,
                static_cast<uint64_t>(begin));
  });
  values.copy_(draws);
}

}  // namespace

ParameterStore::ParameterStore(std::vector<ParameterInfo> infos, c10::TensorOptions options, bool trainable,
                               Values values)
    : infos_(std::move(infos)) {
  for (size_t i = 0; i < infos_.size(); ++i) {
    const bool is_new = index_.emplace(infos_[i].name, i).second;
    BT_ASSERT(is_new);
  }
  lay_out();
  const int64_t total = groups_.empty() ? 0 : groups_.back().end;
  checked_mul(total, static_cast<int64_t>(options.dtype().itemsize()), "the parameters together");
  flat_ = new_buffer(total, options.requires_grad(false));
  if (values == Values::zeros) flat_.zero_();
  make_leaves();
  set_trainable(trainable);
}

// Parameters of equal settings side by side. Sizes that would break the alignment of what follows go last, within their
// group and by group.
void ParameterStore::lay_out() {
  struct Member {
    size_t group;
    bool odd;
    size_t parameter;
  };
  std::vector<ParameterGroup> found;
  std::vector<bool> odd_group;
  std::vector<Member> members;
  slots_.resize(infos_.size());
  for (size_t i = 0; i < infos_.size(); ++i) {
    const ParameterInfo& info = infos_[i];
    slots_[i].size = elements(info);
    const auto same = [&](const ParameterGroup& group) { return same_settings(group, info); };
    const auto group = static_cast<size_t>(std::find_if(found.begin(), found.end(), same) - found.begin());
    if (group == found.size()) {
      found.push_back({.decay = info.decay, .lr_multiplier = info.lr_multiplier});
      odd_group.push_back(false);
    }
    const bool odd = checked_mul(slots_[i].size, copies(info), info.name) % kAlignment != 0;
    if (odd) odd_group[group] = true;
    members.push_back({group, odd, i});
  }
  std::sort(members.begin(), members.end(), [&](const Member& a, const Member& b) {
    return std::tuple(odd_group[a.group], a.group, a.odd, a.parameter) <
           std::tuple(odd_group[b.group], b.group, b.odd, b.parameter);
  });
  int64_t offset = 0;
  for (const Member& member : members) {
    const ParameterInfo& info = infos_[member.parameter];
    if (groups_.empty() || !same_settings(groups_.back(), info)) {
      groups_.push_back({offset, offset, info.decay, info.lr_multiplier});
    }
    slots_[member.parameter].offset = offset;
    offset = checked_add(offset, slots_[member.parameter].size * copies(info), info.name);
    groups_.back().end = offset;
  }
}

void ParameterStore::make_leaves() {
  leaves_.resize(infos_.size());
  for (size_t i = 0; i < infos_.size(); ++i) {
    for (int64_t layer = 0; layer < copies(infos_[i]); ++layer) {
      const at::Tensor part = flat_.narrow(0, slots_[i].offset + layer * slots_[i].size, slots_[i].size);
      leaves_[i].push_back(part.view(with_layers(infos_[i], 1)).detach());
    }
  }
}

void ParameterStore::set_trainable(bool trainable) {
  const bool has_masters = trainable && at::isReducedFloatingType(flat_.scalar_type());
  masters_ = has_masters ? new_buffer(flat_.numel(), flat_.options().dtype(at::kFloat)).copy_(flat_) : at::Tensor();
  grad_ = trainable ? new_buffer(flat_.numel(), masters().options()).zero_() : at::Tensor();
  for (size_t i = 0; i < infos_.size(); ++i) {
    for (size_t layer = 0; layer < leaves_[i].size(); ++layer) {
      at::Tensor& leaf = leaves_[i][layer];
      leaf.set_requires_grad(trainable);
      if (trainable) leaf.set_grad_dtype(grad_.scalar_type());
      const int64_t begin = slots_[i].offset + static_cast<int64_t>(layer) * slots_[i].size;
      leaf.mutable_grad() = trainable ? grad_.narrow(0, begin, slots_[i].size).view(leaf.sizes()) : at::Tensor();
    }
  }
}

void ParameterStore::initialise(uint64_t seed) {
  for (size_t i = 0; i < infos_.size(); ++i) fill(whole(masters(), i), infos_[i], seed);
  refresh();
}

void ParameterStore::refresh() {
  if (masters_.defined()) flat_.copy_(masters_);
}

void ParameterStore::zero_grad() {
  if (grad_.defined()) grad_.zero_();
}

size_t ParameterStore::index_of(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  BT_ASSERT(found != index_.end());
  return found->second;
}

at::Tensor ParameterStore::whole(const at::Tensor& flat, size_t parameter) const {
  const ParameterInfo& info = infos_[parameter];
  const int64_t size = slots_[parameter].size * copies(info);
  return flat.narrow(0, slots_[parameter].offset, size).view(with_layers(info, info.layers));
}

at::Tensor ParameterStore::leaf(std::string_view name, int64_t layer) const {
  return leaves_[index_of(name)].at(static_cast<size_t>(layer));
}

at::Tensor ParameterStore::master(std::string_view name) const { return whole(masters(), index_of(name)); }

std::vector<at::Tensor> ParameterStore::layer_leaves(int64_t layer) const {
  std::vector<at::Tensor> out;
  for (size_t i = 0; i < infos_.size(); ++i) {
    if (infos_[i].layers > 0) out.push_back(leaves_[i].at(infos_[i].every_layer ? 0 : static_cast<size_t>(layer)));
  }
  return out;
}

std::vector<at::Tensor> ParameterStore::shared_leaves() const {
  std::vector<at::Tensor> out;
  for (size_t i = 0; i < infos_.size(); ++i) {
    if (infos_[i].layers == 0) out.push_back(leaves_[i].at(0));
  }
  return out;
}

std::vector<at::Tensor> ParameterStore::stacked() const {
  int64_t layers = 1;
  for (const ParameterInfo& info : infos_) layers = std::max(layers, info.layers);
  std::vector<at::Tensor> out;
  for (size_t i = 0; i < infos_.size(); ++i) {
    if (infos_[i].layers == 0) continue;
    const at::Tensor tensor = whole(flat_, i);
    std::vector<int64_t> shape = tensor.sizes().vec();
    if (infos_[i].every_layer) shape[0] = layers;
    out.push_back(tensor.expand(shape));
  }
  return out;
}

std::vector<std::pair<std::string, at::Tensor>> ParameterStore::named() const {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (size_t i = 0; i < infos_.size(); ++i) out.emplace_back(infos_[i].name, whole(masters(), i));
  return out;
}

std::vector<at::Tensor> ParameterStore::leaves() const {
  std::vector<at::Tensor> out;
  for (const auto& of_parameter : leaves_) out.insert(out.end(), of_parameter.begin(), of_parameter.end());
  return out;
}

}  // namespace bt
