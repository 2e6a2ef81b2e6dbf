#include "token_step.h"

#include <ATen/ATen.h>

#include "bt/ops/layer_ops.h"
#include "bt/ops/ops.h"

namespace bt {
namespace {

enum Input : int64_t { kId, kPosition, kCount, kPlace, kInputs };

Rotary angle_table(const Decoder& decoder, int64_t positions) {
  const at::Tensor position = at::arange(positions, decoder.options().dtype(at::kLong).requires_grad(false));
  return rotary(decoder.config, position, decoder.embedding.scalar_type());
}

Rotary angles_at(const Rotary& table, const at::Tensor& position_B) {
  return {table.cos.index_select(0, position_B), table.sin.index_select(0, position_B)};
}

at::Tensor idle_table(const KvCache& cache, const QueryRing& ring) {
  at::Tensor idle_NB = at::zeros({kInputs, cache.slots()}, at::kLong);
  if (ring.q_LBRHD.defined()) idle_NB[kPlace].fill_(ring.q_LBRHD.size(2) - 1);
  return idle_NB;
}

}  // namespace

TokenStep::TokenStep(const Decoder& decoder, KvCache& cache, const QueryRing& ring, const at::Tensor& logits_BV)
    : decoder_(decoder),
      cache_(cache),
      ring_(ring),
      angles_(angle_table(decoder, cache.capacity())),
      slot_B_(at::arange(cache.slots(), logits_BV.options().dtype(at::kLong))),
      logits_BV_(logits_BV),
      step_(idle_table(cache, ring), logits_BV.device()) {
  unturned_ = angles_at(angles_, at::zeros_like(slot_B_));
}

void TokenStep::run(const std::vector<TokenInput>& tokens, int64_t rows) {
  auto input = step_.table();
  for (const TokenInput& token : tokens) {
    input[kId][token.slot] = token.id;
    input[kPosition][token.slot] = token.position;
    input[kCount][token.slot] = 1;
    if (ring_.q_LBRHD.defined()) input[kPlace][token.slot] = token.ring_place;
  }
  const int64_t bucket = row_bucket(rows, cache_.capacity());
  step_.run({cache_.slots(), bucket}, [this, bucket] { work(bucket); });
}

void TokenStep::work(int64_t rows) {
  const at::Tensor& input_NB = step_.input_NB();
  const at::Tensor position_B = input_NB[kPosition], count_B = input_NB[kCount], place_B = input_NB[kPlace];
  const Rotary turned = angles_at(angles_, position_B);
  const at::Tensor row_LB = cache_.next_rows_(position_B, count_B);
  cache_.advance_(count_B);
  at::Tensor x_BC = embed(decoder_, input_NB[kId]);
  for (int64_t layer = 0; layer < decoder_.config.layers; ++layer) {
    const KvView kv = cache_.view(layer, rows);
    const Qkv qkv = project_heads(decoder_, layer, x_BC);
    const Rotary& angles = decoder_.config.rotary[static_cast<size_t>(layer)] ? turned : unturned_;
    const at::Tensor q_BHD =
        ops::rotate_into_(kv, slot_B_, row_LB[layer], qkv.q_NHD, qkv.k_NGD, qkv.v_NGD, angles.cos, angles.sin);
    const ops::Attended attended = ops::segment_attention(q_BHD.unsqueeze(1), count_B, kv, decoder_.attention(layer));
    if (ring_.q_LBRHD.defined()) {
      ring_.q_LBRHD[layer].index_put_({slot_B_, place_B}, q_BHD);
      ring_.lse_LBRH[layer].index_put_({slot_B_, place_B},
                                       attended.lse_BSH.squeeze(1).to(ring_.lse_LBRH.scalar_type()));
    }
    x_BC = finish_layer(decoder_, layer, x_BC, attended.out_BSHD.squeeze(1));
  }
  logits_BV_.copy_(logits(decoder_, final_hidden(decoder_, x_BC)));
}

}  // namespace bt
