// The slots of padded events that hold an entry. Events of a batch differ in how many rows they have; a block that
// works on each entry by itself need not see the padding.
#pragma once

#include <ATen/core/Tensor.h>

namespace bt {

class PackedSlots {
 public:
  // kind_YEW as in Events. Packs one layer on a CPU; otherwise, or without padding, pack and unpack return their input.
  explicit PackedSlots(const at::Tensor& kind_YEW);

  bool packed() const { return slot_M.defined(); }

  // Of x [1, E * W, …] the slots in use, [1, M, …]; differentiable.
  at::Tensor pack(const at::Tensor& x) const;
  // Back to [1, E * W, …], zeros where padded; differentiable.
  at::Tensor unpack(const at::Tensor& x) const;

 private:
  at::Tensor slot_M, place_N;  // int64, inverse to each other, place -1 where padded; undefined where nothing is packed
};

}  // namespace bt
