// The gated feed-forward's product act(gate) * up (arXiv 2002.05202), forward and backward.
#pragma once

#include "kernels/types.h"

namespace bt::kernels {

enum class GateActivation { silu, gelu, gelu_tanh };

// Whole packs of 16 bytes in a row, fewer than 2^31 of them in all.
bool gated_activation_takes(int64_t rows, int64_t width, Element type);

// out = act(gate) * up, act(gate) rounded to the type before it is multiplied. Rows are *_stride elements apart, whole
// packs: gate and up may be the halves of one [rows, 2 width] matrix, and so may their gradients.
// Cost: each number is read and written once.
struct GatedActivation {
  const void *gate, *up;  // [rows, width]
  void* out;              // [rows, width]
  int64_t gate_stride, up_stride, out_stride;
  int rows, width;
  GateActivation activation;
  Element type;
};
void gated_activation(const GatedActivation& work, Stream stream);

// d_gate = d_out * up * act'(gate), rounded once, and d_up = d_out * act(gate), act(gate) rounded as in the forward
// pass. Cost: each number is read and written once; act is computed again.
struct GatedActivationBackward {
  const void *d_out, *gate, *up;  // [rows, width]
  void *d_gate, *d_up;            // [rows, width]
  int64_t d_out_stride, gate_stride, up_stride, d_gate_stride, d_up_stride;
  int rows, width;
  GateActivation activation;
  Element type;
};
void gated_activation_backward(const GatedActivationBackward& work, Stream stream);

}  // namespace bt::kernels
