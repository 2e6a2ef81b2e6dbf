// The elementwise operators of a decoder layer, registered as torch.ops.bt.<name> in readable ATen for every device;
// CUDA kernels take their place where built. None has a gradient of its own: the nodes of bt/model/decoder.h call both
// directions.
//
// Axes: N packed tokens, H heads, D head width; [..., C]: rows of any number of axes.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>
#include <utility>

#include "bt/format/model_config.h"
#include "bt/ops/kv_view.h"

namespace bt::ops {

struct Normed {
  at::Tensor y;      // [..., C], x's dtype
  at::Tensor scale;  // [..., 1]: 1 / rms, at least fp32
};
// (weight + offset) * (x / rms(x)), rounded as NormConfig says.
Normed rms_norm(const at::Tensor& x, const at::Tensor& weight, const NormConfig& norm);

struct SumNormed {
  at::Tensor sum;  // x + residual
  Normed normed;   // of the sum
};
SumNormed add_rms_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                       const NormConfig& norm);

struct NormGradients {
  at::Tensor dx, dweight;  // dweight undefined unless wanted
};
// Gradients of x, or of both summands of a sum x, whose own gradient d_sum (may be undefined) is added.
NormGradients rms_norm_backward(const at::Tensor& dy, const at::Tensor& d_sum, const at::Tensor& x,
                                const at::Tensor& weight, const at::Tensor& scale, const NormConfig& norm,
                                bool wants_dweight);

// Rotates x_NHD, half-split layout, by the angles whose cos and sin are given ([N, D/2]); sign -1 turns back.
at::Tensor rotate(const at::Tensor& x_NHD, const at::Tensor& cos, const at::Tensor& sin, int64_t sign);
// The same of queries and keys, in one launch on CUDA.
std::pair<at::Tensor, at::Tensor> rotate_both(const at::Tensor& q_NHD, const at::Tensor& k_NGD, const at::Tensor& cos,
                                              const at::Tensor& sin, int64_t sign);
// Returns the rotated queries; the rotated keys and the values of token n go to row row_N[n] of sequence slot_N[n] of
// the cache (length and positions are left alone), and nowhere if the row is negative. int64; no row twice.
at::Tensor rotate_into_(const KvView& cache, const at::Tensor& slot_N, const at::Tensor& row_N, const at::Tensor& q_NHD,
                        const at::Tensor& k_NGD, const at::Tensor& v_NGD, const at::Tensor& cos, const at::Tensor& sin);

// act(x) in ATen, differentiable.
at::Tensor activated(Activation activation, const at::Tensor& x);
// act(gate) * up; both [..., F], of equal shape and dtype. In the schema an activation has its enumerator's name.
at::Tensor gated_activation(Activation activation, const at::Tensor& gate, const at::Tensor& up);
// The gradients of gate and up.
std::pair<at::Tensor, at::Tensor> gated_activation_backward(Activation activation, const at::Tensor& d_out,
                                                            const at::Tensor& gate, const at::Tensor& up);
// The activation of that name; refuses any other.
Activation activation_of(std::string_view name);

}  // namespace bt::ops
