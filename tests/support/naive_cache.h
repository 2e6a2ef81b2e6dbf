// A reference for methods that change which rows a cache has: one sequence, one token at a time, every layer's cache a
// list of rows that really come and go. Shares with the engines only the decoder's layer functions.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "bt/data/plan.h"
#include "bt/model/decoder.h"

namespace bt::testing {

struct NaiveRow {
  at::Tensor k_GD, v_GD;
  int64_t position = 0;
};

// One layer at one boundary.
struct NaiveEvent {
  int64_t layer = 0, ordinal = 0, window = 0;
  size_t step = 0;                // newest rows of the cache: the step just written
  std::vector<at::Tensor> votes;  // of the queries since the last event, oldest first: probabilities of the rows seen,
                                  // mean over heads

  // Mean probability that the newest `most` queries of the step gave to each of `rows` rows.
  std::vector<double> mass(size_t rows, size_t most) const {
    const size_t voters = std::min({most, step, votes.size()});
    std::vector<double> out(rows, 0);
    for (size_t v = votes.size() - voters; v < votes.size(); ++v) {
      for (int64_t t = 0; t < votes[v].size(0); ++t)
        out[static_cast<size_t>(t)] += votes[v][t].item<double>() / static_cast<double>(voters);
    }
    return out;
  }
};

struct NaiveCacheSettings {
  int64_t bptt_steps = 1;
  std::function<void(const NaiveEvent& event, std::vector<NaiveRow>& rows)> act;          // or none
  std::function<at::Tensor(int64_t layer, int64_t token, const at::Tensor& x_1C)> enter;  // the stream enters a layer
};

// What one query sees, [H, D], and the mean over heads of its probabilities, [T].
inline std::pair<at::Tensor, at::Tensor> naive_attention(const at::Tensor& q_HD, const std::vector<NaiveRow>& rows,
                                                         const AttentionSpec& spec) {
  std::vector<at::Tensor> keys, values;
  for (const NaiveRow& row : rows) {
    keys.push_back(row.k_GD);
    values.push_back(row.v_GD);
  }
  const int64_t share = q_HD.size(0) / rows[0].k_GD.size(0);
  const at::Tensor k_THD = at::stack(keys).repeat_interleave(share, 1),
                   v_THD = at::stack(values).repeat_interleave(share, 1);
  at::Tensor score_HT = at::einsum("hd,thd->ht", {q_HD, k_THD}) * spec.scale;
  if (spec.softcap > 0) score_HT = (score_HT / spec.softcap).tanh() * spec.softcap;
  at::Tensor hidden_T = at::zeros({static_cast<int64_t>(rows.size())}, at::kBool);
  for (size_t t = 0; t < rows.size(); ++t) {
    if (spec.window > 0 && rows.back().position - rows[t].position >= spec.window)
      hidden_T[static_cast<int64_t>(t)] = true;
  }
  const at::Tensor p_HT = score_HT.masked_fill(hidden_T, -1e300).softmax(1);
  return {at::einsum("ht,thd->hd", {p_HT, v_THD}), p_HT.detach().mean(0)};
}

// The summed negative log-likelihood of a sequence's supervised tokens.
inline at::Tensor naive_cache_loss(const Decoder& decoder, const Plan& plan, int32_t sequence,
                                   const NaiveCacheSettings& settings) {
  const PlanSequence& whole = plan.sequences[static_cast<size_t>(sequence)];
  const size_t layers = decoder.layers.size();
  std::vector<std::vector<NaiveRow>> cache(layers);
  std::vector<std::vector<at::Tensor>> votes(layers);
  at::Tensor loss = at::zeros({}, decoder.embedding.options().requires_grad(false));
  int64_t event_ordinal = 0;
  for (int64_t t = 0; t < whole.end - whole.begin; ++t) {
    const auto token = static_cast<size_t>(whole.begin + t);
    const int64_t position = plan.positions[token];
    const Rotary angles = rotary(decoder.config, at::full({1}, position, at::kLong), decoder.embedding.scalar_type());
    at::Tensor x_1C = embed(decoder, at::full({1}, plan.ids[token], at::kLong));
    for (size_t l = 0; l < layers; ++l) {
      const auto layer = static_cast<int64_t>(l);
      if (settings.enter) x_1C = settings.enter(layer, t, x_1C);
      const Qkv qkv = project_qkv(decoder, layer, x_1C, angles);
      cache[l].push_back({qkv.k_NGD[0], qkv.v_NGD[0], position});
      const auto [out_HD, vote_T] = naive_attention(qkv.q_NHD[0], cache[l], decoder.attention(layer));
      votes[l].push_back(vote_T);
      x_1C = finish_layer(decoder, layer, x_1C, out_HD.unsqueeze(0));
    }
    if (plan.targets[token] >= 0)
      loss = loss - logits(decoder, final_hidden(decoder, x_1C)).log_softmax(1)[0][plan.targets[token]];
    for (const PlanEvent& event : plan.events) {
      if (event.sequence != sequence || event.rows != t + 1) continue;
      for (size_t l = 0; l < layers; ++l) {
        if (settings.bptt_steps > 0 && event_ordinal % settings.bptt_steps == 0) {
          for (NaiveRow& row : cache[l]) row = {row.k_GD.detach(), row.v_GD.detach(), row.position};
        }
        const auto layer = static_cast<int64_t>(l);
        const NaiveEvent one{layer, event_ordinal, decoder.attention(layer).window,
                             static_cast<size_t>(event.rows - event.step_begin), votes[l]};
        if (settings.act && one.step > 0) settings.act(one, cache[l]);
        votes[l].clear();
      }
      ++event_ordinal;
    }
  }
  return loss;
}

}  // namespace bt::testing
