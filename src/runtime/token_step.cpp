#include "token_step.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/ops/ops.h"

namespace bt {
namespace {

enum Input : int64_t { kId, kPosition, kCount, kPlace, kInputs };

Rotary angle_table(const Decoder& decoder, int64_t positions) {
  const at::Tensor position = at::arange(positions, decoder.options().dtype(at::kLong).requires_grad(false));
  return rotary(decoder.config, position, decoder.embedding.scalar_type());
}

}  // namespace

TokenStep::TokenStep(const Decoder& decoder, KvCache& cache, const QueryRing& ring)
    : decoder_(decoder), cache_(cache), ring_(ring), angles_(angle_table(decoder, cache.capacity())) {
  const at::Device device = decoder.embedding.device();
  const auto integers = at::TensorOptions(at::kLong);
  slot_B_ = at::arange(cache.slots(), integers.device(device));
  host_4B_ = at::zeros({kInputs, cache.slots()}, integers.pinned_memory(device.is_cuda()));
  input_4B_ = at::zeros({kInputs, cache.slots()}, integers.device(device));
  logits_BV_ = at::zeros({cache.slots(), decoder.head.size(0)}, decoder.options().requires_grad(false));
}

const at::Tensor& TokenStep::run(const std::vector<TokenInput>& tokens, int64_t rows) {
  host_4B_.zero_();
  auto input = host_4B_.accessor<int64_t, 2>();
  for (const TokenInput& token : tokens) {
    input[kId][token.slot] = token.id;
    input[kPosition][token.slot] = token.position;
    input[kCount][token.slot] = 1;
    input[kPlace][token.slot] = token.ring_place;
  }
  input_4B_.copy_(host_4B_, /*non_blocking=*/true);
  const int64_t bucketed = bucket(rows);
  const auto found = graphs_.find(bucketed);
  if (found != graphs_.end()) {
    found->second->replay();
  } else if (auto graph = ops::make_device_graph(decoder_.embedding.device())) {
    graph->record([&] { work(bucketed); });
    graphs_[bucketed] = std::move(graph);
  } else {
    work(bucketed);
  }
  cache_.advance_(input_4B_[kCount]);
  return logits_BV_;
}

void TokenStep::work(int64_t rows) {
  const at::Tensor position_B = input_4B_[kPosition], count_B = input_4B_[kCount], place_B = input_4B_[kPlace];
  const Rotary angles{angles_.cos.index_select(0, position_B), angles_.sin.index_select(0, position_B)};
  const at::Tensor none_B = at::zeros_like(count_B);
  at::Tensor x_BC = embed(decoder_, input_4B_[kId]);
  for (int64_t layer = 0; layer < decoder_.config.layers; ++layer) {
    const Qkv qkv = project_qkv(decoder_, layer, x_BC, angles);
    cache_.append_(layer, slot_B_, none_B, position_B, qkv.k_NGD, qkv.v_NGD);
    KvView kv = cache_.view(layer, rows);
    kv.length_B = kv.length_B + count_B;
    const ops::Attended attended =
        ops::segment_attention(qkv.q_NHD.unsqueeze(1), count_B, kv, decoder_.attention(layer));
    if (ring_.q_LBRHD.defined()) {
      ring_.q_LBRHD[layer].index_put_({slot_B_, place_B}, qkv.q_NHD);
      ring_.lse_LBRH[layer].index_put_({slot_B_, place_B},
                                       attended.lse_BSH.squeeze(1).to(ring_.lse_LBRH.scalar_type()));
    }
    x_BC = finish_layer(decoder_, layer, x_BC, attended.out_BSHD.squeeze(1));
  }
  logits_BV_.copy_(logits(decoder_, final_hidden(decoder_, x_BC)));
}

// Few sizes, so that few graphs are recorded; the attention reads no more than a slot's own rows anyway.
int64_t TokenStep::bucket(int64_t rows) const {
  int64_t size = 256;
  while (size < rows) size *= 2;
  return std::min(size, cache_.capacity());
}

}  // namespace bt
