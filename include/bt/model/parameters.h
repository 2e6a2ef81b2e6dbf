// Trainable tensors on one flat buffer: autograd leaves, stacked views, fused optimiser and checkpoints all alias it.
//
// What computes in 16 bits and is trained has fp32 masters beside it (Micikevicius et al. 2018, arXiv 1710.03740,
// section 3.1): an update smaller than half a step of bf16, 2^-9 of the weight, would be lost in the weight itself. The
// masters are what is drawn, read from files, updated and saved; refresh() rounds them into the weights.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bt {

struct ParameterInfo {
  enum class Init { normal, zeros, ones, constant };
  std::string name;
  std::vector<int64_t> shape;  // of one layer
  int64_t layers = 0;          // 0: one tensor; otherwise one leaf per layer, stacked [layers, ...]
  bool every_layer = false;    // with layers 1: the same leaf in every layer
  Init init = Init::normal;
  double value = 0.02;  // deviation of normal, value of constant
  bool decay = true;    // weight decay applies
  double lr_multiplier = 1.0;
};

// A run of the flat buffer that shares its optimiser settings.
struct ParameterGroup {
  int64_t begin = 0, end = 0;  // elements
  bool decay = true;
  double lr_multiplier = 1.0;
};

class ParameterStore {
 public:
  // Whether new parameters are zeros, or memory that the caller fills whole before it is read.
  enum class Values { zeros, unset };
  // Allocates every parameter, and unless `trainable` is false as many zero gradients and, in 16 bits, masters. Names
  // are unique.
  ParameterStore(std::vector<ParameterInfo> infos, c10::TensorOptions options, bool trainable = true,
                 Values values = Values::zeros);

  // Makes the leaves require gradients, or frees gradients and masters and freezes them. The leaves stay the same
  // tensors.
  void set_trainable(bool trainable);
  bool trainable() const { return grad_.defined(); }

  // Draws every parameter from (seed, name): independent of order, groups and device; another dtype only rounds, and
  // masters not even that.
  void initialise(uint64_t seed);

  const std::vector<ParameterInfo>& infos() const { return infos_; }
  const std::vector<ParameterGroup>& groups() const { return groups_; }
  int64_t count() const { return flat_.numel(); }

  at::Tensor flat() const { return flat_; }  // [count], no gradient history: the weights that compute
  // [count], no gradient history: fp32 beside 16-bit weights that are trained, else flat() itself.
  at::Tensor masters() const { return masters_.defined() ? masters_ : flat_; }
  // Rounds the masters into flat(), in one copy; due whenever they were written. Nothing where they are flat() itself.
  void refresh();
  // [count], of the masters' dtype: every gradient is added up in it, whether from several uses of a weight or from
  // several backward passes. Undefined when frozen; the leaves' .grad are views of it.
  at::Tensor flat_grad() const { return grad_; }
  void zero_grad();

  // The autograd leaf of one parameter: [shape], or [1, shape] for one layer of a layered parameter. Its data and grad
  // alias the flat buffers: never reassign them, and never run backward with create_graph, which would.
  at::Tensor leaf(std::string_view name, int64_t layer = 0) const;
  // All per-layer leaves of a layer, each [1, ...], in the order of infos().
  std::vector<at::Tensor> layer_leaves(int64_t layer) const;
  // The leaves of the parameters without layers, in the order of infos().
  std::vector<at::Tensor> shared_leaves() const;
  // All layered parameters stacked [layers, ...] without gradient, in the order of infos(), those of every layer
  // repeated without a copy: what decoding uses.
  std::vector<at::Tensor> stacked() const;
  // The masters of one parameter, [layers, shape] or [shape].
  at::Tensor master(std::string_view name) const;
  // Name and masters of every parameter, for saving; loading copies into these and refreshes.
  std::vector<std::pair<std::string, at::Tensor>> named() const;
  std::vector<at::Tensor> leaves() const;  // every leaf, for tests

 private:
  struct Slot {
    int64_t offset = 0;
    int64_t size = 0;
  };               // size of one layer
  void lay_out();  // slots_, groups_
  void make_leaves();
  size_t index_of(std::string_view name) const;
  at::Tensor whole(const at::Tensor& flat, size_t parameter) const;  // [layers, shape], or [shape]
  std::vector<ParameterInfo> infos_;
  std::vector<Slot> slots_;
  std::vector<std::vector<at::Tensor>> leaves_;  // [parameter][layer]
  std::vector<ParameterGroup> groups_;
  std::unordered_map<std::string, size_t> index_;
  at::Tensor flat_, masters_, grad_;
};

}  // namespace bt
