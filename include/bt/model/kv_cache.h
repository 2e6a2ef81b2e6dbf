// The inference cache of a decoder: fixed slots, capacity allocated once, one length and one position table per layer.
//
// Axes: L layers, B slots, G key/value heads, T rows of capacity, D head width. Keys are stored after RoPE. The memory
// order is private to this class; operators take strides.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

#include <cstdint>
#include <optional>

#include "bt/format/model_config.h"
#include "bt/ops/kv_view.h"

namespace bt {

// Layers [begin, end).
struct LayerRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

class KvCache {
 public:
  // Bytes: 2 * L * B * G * T * D elements. ExitCode::usage when slots or capacity are not positive.
  KvCache(const ModelConfig& model, int64_t slots, int64_t capacity, c10::TensorOptions options);

  int64_t slots() const { return k_LBGTD_.size(1); }
  int64_t capacity() const { return k_LBGTD_.size(3); }
  int64_t layers() const { return k_LBGTD_.size(0); }

  // The first `rows` rows of every slot, or of the slots listed (a copy of them).
  KvView view(int64_t layer, int64_t rows) const;
  KvView view(int64_t layer, int64_t rows, const at::Tensor& slot_A) const;
  // The same of several layers, one after the other: sequence y * slots + b is slot b of layer layers.begin + y. Of the
  // slots listed, keys and values stay where they are (KvView::place_B).
  KvView view(LayerRange layers, int64_t rows) const;
  KvView view_in_place(LayerRange layers, int64_t rows, const at::Tensor& slot_A) const;

  // Writes entries of new tokens behind each slot's rows: token n belongs to slot_n[n] and is its offset_n[n]-th new
  // one. Lengths do not change until advance_.
  void append_(int64_t layer, const at::Tensor& slot_n, const at::Tensor& offset_n, const at::Tensor& position_n,
               const at::Tensor& k_NGD, const at::Tensor& v_NGD);
  // The row behind each slot's rows, by layer, where count_B is 1, and -1 where it is 0. Those rows get position_B;
  // their entries are the caller's to write. Lengths do not change until advance_.
  at::Tensor next_rows_(const at::Tensor& position_B, const at::Tensor& count_B);
  // Makes count_A new rows of the listed slots part of the layer's cache.
  void advance_(int64_t layer, const at::Tensor& slot_A, const at::Tensor& count_A);
  // Likewise of all slots in all layers.
  void advance_(const at::Tensor& count_B) { length_LB_.add_(count_B); }

  // Keeps the rows of the listed slots where keep_AT is true and moves them together, order kept.
  void compact_(int64_t layer, const at::Tensor& slot_A, const at::Tensor& keep_AT);
  // Puts new rows of the listed slots at row begin_A, where real_AW is true; the rows behind move on. Precondition:
  // they fit.
  void insert_(int64_t layer, const at::Tensor& slot_A, const at::Tensor& begin_A, const KvView& rows_AW,
               const at::Tensor& real_AW);
  void clear_(int64_t slot);

  const at::Tensor& length_LB() const { return length_LB_; }

 private:
  at::Tensor k_LBGTD_, v_LBGTD_;  // head-major
  at::Tensor length_LB_;          // int64
  at::Tensor position_LBT_;       // int64
};

}  // namespace bt
