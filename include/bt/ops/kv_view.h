// One layer's cached keys and values as operators see them.
//
// Axes: B sequences, G key/value heads, T rows, D head width. Keys are stored after RoPE.
#pragma once

#include <ATen/core/Tensor.h>

namespace bt {

struct KvView {
  at::Tensor k_BGTD, v_BGTD;  // strided views, same dtype; rows at or past the length hold anything finite
  at::Tensor length_B;        // int64: rows in use
  at::Tensor position_BT;     // int64: position of every row
  at::Tensor alive_BT;        // bool, optional: false hides a row (eviction under teacher forcing)
  // int64, optional: keys and values of sequence b are those of sequence place_B[b] of k and v, which hold any number.
  // Taken by attention_mass, gather_rows and edit_rows_, without gradient.
  at::Tensor place_B;
};

}  // namespace bt
