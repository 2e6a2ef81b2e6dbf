// The Cache Processor's block l: entries in, changes out (arXiv 2505.16950, section 3; docs/fidelity.md).
//
// Axes: Y layers, E events, W entries, C = 2 G D, P width, F feed-forward.
#pragma once

#include <vector>

#include "bt/latent/effects.h"
#include "bt/model/decoder.h"
#include "bt/model/parameters.h"
#include "bt/options/method_options.h"

namespace bt {

// The block's parameters in the order of processor_parameters().
struct ProcessorWeights {
  at::Tensor w_in, kind, attention_norm, w_qkv, w_o, mlp_norm, w_gate_up, w_down, out_norm, w_out, gate;
  at::Tensor call_weight_YC, call_bias_Y1;  // with learned calls
};

std::vector<ParameterInfo> processor_parameters(const BtOptions& options, const ModelConfig& model);
ProcessorWeights processor_weights(const BtOptions& options, at::TensorList parameters);

// delta_YEWC in the units of u (already divided by the scales); zero where padded. u is read first: handed over, it
// makes room for the rest. `frequency_F`: rotary frequencies, [P / heads / 2], or undefined without processor_rope.
at::Tensor processor_block(const BtOptions& options, const ProcessorWeights& weights, const Events& events,
                           at::Tensor u_YEWC, const at::Tensor& frequency_F);

}  // namespace bt
