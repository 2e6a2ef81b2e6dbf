// Running tokens of several slots through the decoder, and keeping the queries that will vote at the next boundary.
#include <ATen/ATen.h>

#include <algorithm>

#include "boundary_event.h"
#include "bt/ops/ops.h"
#include "bt/runtime/method_plan.h"
#include "decoding_state.h"
#include "to_tensor.h"

namespace bt {
namespace {

// Index tables of a batch of chunks.
struct Batch {
  at::Tensor id_n, slot_n, offset_n, position_n;  // per token
  at::Tensor slot_A, count_A;                     // per chunk
  at::Tensor padded_AS, slot_of_token_n;          // token of every padded query; padded slot of every token
  at::Tensor last_A;                              // last token of every chunk
  at::Tensor kept_n, kept_slot_n, kept_place_n;   // tokens whose query enters the ring, and where
  int64_t width = 0;
  bool all_slots = false;  // chunk a is slot a, and there is no other slot
};

Batch make_batch(const std::vector<Chunk>& chunks, const std::vector<Slot>& slots, int64_t ring, at::Device device) {
  Batch batch;
  for (const Chunk& chunk : chunks) batch.width = std::max(batch.width, static_cast<int64_t>(chunk.ids.size()));
  std::vector<int64_t> id, slot, offset, position, slot_a, count,
      padded(chunks.size() * static_cast<size_t>(batch.width), 0), place, last;
  std::vector<int64_t> kept, kept_slot, kept_place;
  for (size_t a = 0; a < chunks.size(); ++a) {
    const Chunk& chunk = chunks[a];
    const Slot& state = slots[static_cast<size_t>(chunk.slot)];
    const int64_t tokens = static_cast<int64_t>(chunk.ids.size());
    for (int64_t s = 0; s < tokens; ++s) {
      const int64_t cell = static_cast<int64_t>(a) * batch.width + s;
      padded[static_cast<size_t>(cell)] = static_cast<int64_t>(id.size());
      if (ring > 0 && s >= tokens - ring) {
        kept.push_back(static_cast<int64_t>(id.size()));
        kept_slot.push_back(chunk.slot);
        kept_place.push_back((state.step_tokens + s) % ring);
      }
      place.push_back(cell);
      id.push_back(chunk.ids[static_cast<size_t>(s)]);
      slot.push_back(chunk.slot);
      offset.push_back(s);
      position.push_back(state.position + s);
    }
    slot_a.push_back(chunk.slot);
    count.push_back(tokens);
    last.push_back(static_cast<int64_t>(id.size()) - 1);
  }
  batch.all_slots = slot_a.size() == slots.size() && std::is_sorted(slot_a.begin(), slot_a.end());
  const auto tensor = [&](const std::vector<int64_t>& values) { return to_tensor(values, device); };
  batch.id_n = tensor(id);
  batch.slot_n = tensor(slot);
  batch.offset_n = tensor(offset);
  batch.position_n = tensor(position);
  batch.slot_A = tensor(slot_a);
  batch.count_A = tensor(count);
  batch.padded_AS = tensor(padded);
  batch.slot_of_token_n = tensor(place);
  batch.last_A = tensor(last);
  batch.kept_n = tensor(kept);
  batch.kept_slot_n = tensor(kept_slot);
  batch.kept_place_n = tensor(kept_place);
  return batch;
}

// Attention of the batch's tokens over their slots' caches; out and log-sum-exp per token.
struct TokenAttention {
  at::Tensor out_nHD, lse_nH;
};

TokenAttention attend(const Decoding::State& state, const Batch& batch, int64_t layer, int64_t rows,
                      const at::Tensor& q_nHD) {
  const int64_t chunks = batch.slot_A.size(0), heads = q_nHD.size(1), width = q_nHD.size(2),
                slots = state.cache.slots();
  const AttentionSpec spec = state.decoder.attention(layer);
  if (batch.width == 1 && batch.all_slots) {
    const ops::Attended all =
        ops::segment_attention(q_nHD.unsqueeze(1), batch.count_A, state.cache.view(layer, rows), spec);
    return {all.out_BSHD.squeeze(1), all.lse_BSH.squeeze(1)};
  }
  const bool most =
      batch.width == 1 && 2 * chunks > slots;  // cheaper to attend with idle slots than to copy the others
  if (most) {
    at::Tensor q_BSHD = q_nHD.new_zeros({slots, 1, heads, width}).index_copy_(0, batch.slot_A, q_nHD.unsqueeze(1));
    const at::Tensor length_B = at::zeros({slots}, batch.slot_A.options()).index_fill_(0, batch.slot_A, 1);
    const ops::Attended all = ops::segment_attention(q_BSHD, length_B, state.cache.view(layer, rows), spec);
    return {all.out_BSHD.squeeze(1).index_select(0, batch.slot_A),
            all.lse_BSH.squeeze(1).index_select(0, batch.slot_A)};
  }
  const at::Tensor q_ASHD = q_nHD.index_select(0, batch.padded_AS).view({chunks, batch.width, heads, width});
  const ops::Attended some =
      ops::segment_attention(q_ASHD, batch.count_A, state.cache.view(layer, rows, batch.slot_A), spec);
  return {some.out_BSHD.reshape({-1, heads, width}).index_select(0, batch.slot_of_token_n),
          some.lse_BSH.reshape({-1, heads}).index_select(0, batch.slot_of_token_n)};
}

at::Tensor inputs(const Decoding::State& state, const at::Tensor& id_n) {
  if (!state.latents_MC.defined()) return embed(state.decoder, id_n);
  const at::Tensor latent_n = (id_n < 0).nonzero().squeeze(1);
  return embed(state.decoder, id_n.clamp_min(0))
      .index_copy(0, latent_n, state.latents_MC.index_select(0, -1 - id_n.index_select(0, latent_n)));
}

// 1 for tokens that the method steers, [n, 1].
at::Tensor steered(std::vector<Slot>& slots, const std::vector<Chunk>& chunks, const at::Tensor& x_nC) {
  std::vector<int64_t> flags;
  for (const Chunk& chunk : chunks) {
    Slot& slot = slots[static_cast<size_t>(chunk.slot)];
    const bool acted = slot.events > 0 && slot.previous_cut == slot.tokens;
    for (size_t s = 0; s < chunk.ids.size(); ++s) {
      const bool is_last = s + 1 == chunk.ids.size();
      flags.push_back(slot.steered->push(chunk.ids[s], acted && s == 0, chunk.acts_behind && is_last) ? 1 : 0);
    }
  }
  return to_tensor(flags, x_nC.device()).to(x_nC.scalar_type()).unsqueeze(1);
}

}  // namespace

bool keeps_hidden(const Method* method) { return appends_recurrently(method) || is_gated(method); }

void Decoding::State::feed(const std::vector<Chunk>& chunks) {
  if (chunks.empty()) return;
  for (const Chunk& chunk : chunks) check_room(chunk.slot, static_cast<int64_t>(chunk.ids.size()), {0, cache.layers()});
  const Batch batch = make_batch(chunks, slots, ring, decoder.embedding.device());
  const Rotary angles = rotary(decoder.config, batch.position_n, decoder.embedding.scalar_type());
  at::Tensor x_nC = inputs(*this, batch.id_n);
  const at::Tensor steer_n1 = effects.steer != nullptr ? steered(slots, chunks, x_nC) : at::Tensor();
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    if (effects.steer != nullptr) {
      std::vector<at::Tensor> own;
      for (const at::Tensor& parameter : parameters) own.push_back(parameter.narrow(0, layer, 1));
      const at::Tensor direction = effects.steer->direction_K(layer, own);
      if (direction.defined()) x_nC = x_nC + steer_n1 * direction.to(x_nC.scalar_type());
    }
    const Qkv qkv = project_qkv(decoder, layer, x_nC, angles);
    cache.append_(layer, batch.slot_n, batch.offset_n, batch.position_n, qkv.k_NGD, qkv.v_NGD);
    cache.advance_(layer, batch.slot_A, batch.count_A);
    std::vector<int64_t>& lengths = rows[static_cast<size_t>(layer)];
    for (const Chunk& chunk : chunks)
      lengths[static_cast<size_t>(chunk.slot)] += static_cast<int64_t>(chunk.ids.size());
    const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
    const TokenAttention attended = attend(*this, batch, layer, longest, qkv.q_NHD);
    if (ring > 0) {
      kept.q_LBRHD[layer].index_put_({batch.kept_slot_n, batch.kept_place_n}, qkv.q_NHD.index_select(0, batch.kept_n));
      kept.lse_LBRH[layer].index_put_({batch.kept_slot_n, batch.kept_place_n},
                                      attended.lse_nH.index_select(0, batch.kept_n).to(kept.lse_LBRH.scalar_type()));
    }
    x_nC = finish_layer(decoder, layer, x_nC, attended.out_nHD);
  }
  const at::Tensor hidden_AC = final_hidden(decoder, x_nC.index_select(0, batch.last_A));
  const at::Tensor logits_AV = logits(decoder, hidden_AC);
  logits_BV.index_copy_(0, batch.slot_A, logits_AV);
  const bool keeps = keeps_hidden(method);
  for (size_t a = 0; a < chunks.size(); ++a) {
    Slot& slot = slots[static_cast<size_t>(chunks[a].slot)];
    if (keeps) slot.hidden_K = hidden_AC[static_cast<int64_t>(a)];
    slot.advance(static_cast<int64_t>(chunks[a].ids.size()));
  }
}

void Decoding::State::feed_step(const std::vector<Chunk>& chunks) {
  if (!token_step) return feed(chunks);
  if (chunks.empty()) return;
  std::vector<TokenInput> tokens;
  for (const Chunk& chunk : chunks) {
    check_room(chunk.slot, 1, {0, cache.layers()});
    const Slot& slot = slots[static_cast<size_t>(chunk.slot)];
    tokens.push_back({chunk.slot, chunk.ids.front(), slot.position, ring > 0 ? slot.step_tokens % ring : 0});
  }
  int64_t longest = 0;
  for (std::vector<int64_t>& lengths : rows) {
    for (const Chunk& chunk : chunks) longest = std::max(longest, ++lengths[static_cast<size_t>(chunk.slot)]);
  }
  token_step->run(tokens, longest);
  for (const Chunk& chunk : chunks) slots[static_cast<size_t>(chunk.slot)].advance(1);
}

}  // namespace bt
