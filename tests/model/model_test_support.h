// What the tests of this module share: an awkward small config, a whole forward pass, and gradients.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <vector>

#include "bt/model/decoder.h"
#include "bt/ops/ops.h"

namespace bt::test {

inline ModelConfig small_config() {
  ModelConfig config;
  config.vocab_size = 17;
  config.hidden_size = 12;
  config.intermediate_size = 18;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 6;
  config.max_position = 64;
  config.attention_scale = 0.4;
  config.window = {0, 0};
  config.rotary = {true, true};
  config.initializer_range = 0.3;
  return config;
}

// The logits of one text, [N, V]: the layer functions around segment attention, without a cache from before.
inline at::Tensor whole_logits(const Decoder& decoder, const at::Tensor& id_N) {
  const int64_t length = id_N.size(0);
  const at::Tensor position_N = at::arange(length, at::kLong), length_1 = at::full({1}, length, at::kLong);
  const Rotary angles = rotary(decoder.config, position_N, decoder.embedding.scalar_type());
  at::Tensor x_NC = embed(decoder, id_N);
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    const KvView cache{qkv.k_NGD.transpose(0, 1).unsqueeze(0),
                       qkv.v_NGD.transpose(0, 1).unsqueeze(0),
                       length_1,
                       position_N.unsqueeze(0),
                       {}};
    const auto attended = ops::segment_attention(qkv.q_NHD.unsqueeze(0), length_1, cache, decoder.attention(layer));
    x_NC = finish_layer(decoder, layer, x_NC, attended.out_BSHD.squeeze(0));
  }
  return logits(decoder, final_hidden(decoder, x_NC));
}

inline std::vector<at::Tensor> gradients(const at::Tensor& scalar, const std::vector<at::Tensor>& inputs) {
  return torch::autograd::grad({scalar}, inputs, {}, /*retain_graph=*/true);
}

inline double greatest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return a.numel() == 0 ? 0 : (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace bt::test
