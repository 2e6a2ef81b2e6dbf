// The reference of references: one sequence at a time, dense attention, loops. Shares with the engines only the layer's
// projections and the method's edit.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "bt/data/plan.h"
#include "bt/latent/method.h"
#include "bt/model/decoder.h"
#include "bt/options/method_options.h"

namespace bt::testing {

struct NaiveResult {
  at::Tensor loss;                                      // sum of nll
  std::vector<std::vector<std::vector<int64_t>>> rows;  // [layer][event] -> chosen rows, recent first
};

struct NaiveSettings {
  RowChoiceOptions rows;
  int64_t bptt_steps = 1;
  double call_weight = 0;  // Events::call_weight
};

// Probabilities of the newest queries over the whole cache, [S, H, T].
inline at::Tensor naive_probabilities(const at::Tensor& q_SHD, const at::Tensor& k_TGD, const AttentionSpec& spec,
                                      const std::vector<int64_t>& position) {
  const int64_t queries = q_SHD.size(0), heads = q_SHD.size(1), rows = k_TGD.size(0), groups = k_TGD.size(1);
  std::vector<at::Tensor> all;
  for (int64_t s = 0; s < queries; ++s) {
    const int64_t own = rows - queries + s;
    std::vector<at::Tensor> per_head;
    for (int64_t h = 0; h < heads; ++h) {
      at::Tensor score = k_TGD.select(1, h / (heads / groups)).matmul(q_SHD[s][h]) * spec.scale;
      if (spec.softcap > 0) score = (score / spec.softcap).tanh() * spec.softcap;
      at::Tensor hidden = at::zeros({rows}, at::kBool);
      for (int64_t t = 0; t < rows; ++t) {
        const bool far =
            spec.window > 0 && position[static_cast<size_t>(own)] - position[static_cast<size_t>(t)] >= spec.window;
        if (t > own || far) hidden[t] = true;
      }
      per_head.push_back(score.masked_fill(hidden, -1e300).softmax(0));
    }
    all.push_back(at::stack(per_head));
  }
  return at::stack(all);
}

// Of candidates by falling mass, the first that hold a share of it.
inline void keep_share(std::vector<int64_t>& candidates, const at::Tensor& mass_T, double share) {
  double all = 0, held = 0;
  for (const int64_t t : candidates) all += mass_T[t].item<double>();
  size_t count = 0;
  while (count < candidates.size() && held < share * all) held += mass_T[candidates[count++]].item<double>();
  candidates.resize(count);
}

inline void keep_diverse(std::vector<int64_t>& candidates, const at::Tensor& mass_T, const at::Tensor& k_TGD,
                         const RowChoiceOptions& options) {
  std::vector<int64_t> chosen;
  double greatest = 0;
  for (const int64_t t : candidates) greatest = std::max(greatest, mass_T[t].item<double>());
  std::sort(candidates.begin(), candidates.end());
  while (!candidates.empty() && static_cast<int64_t>(chosen.size()) < options.recall) {
    size_t best = 0;
    double best_value = -1e300;
    for (size_t i = 0; i < candidates.size(); ++i) {
      double closest = 0;
      const at::Tensor key = k_TGD[candidates[i]].flatten();
      for (const int64_t c : chosen) {
        const at::Tensor other = k_TGD[c].flatten();
        closest = std::max(closest, key.dot(other).item<double>() / (key.norm() * other.norm()).item<double>());
      }
      const double value = mass_T[candidates[i]].item<double>() / greatest - options.recall_diversity * closest;
      if (value > best_value) {
        best_value = value;
        best = i;
      }
    }
    chosen.push_back(candidates[best]);
    candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(best));
  }
  candidates = chosen;
}

// I_n of one event: recent rows, then recalled rows, each ascending.
inline std::pair<std::vector<int64_t>, std::vector<int64_t>> naive_choice(const at::Tensor& p_SHT, int64_t step_begin,
                                                                          int64_t rows, const RowChoiceOptions& options,
                                                                          int64_t window,
                                                                          const std::vector<int64_t>& position,
                                                                          const at::Tensor& k_TGD) {
  if (rows == step_begin) return {};
  const int64_t next = position[static_cast<size_t>(rows - 1)] + 1;
  const auto reachable = [&](int64_t t) { return window == 0 || next - position[static_cast<size_t>(t)] < window; };
  int64_t begin = std::max<int64_t>(0, rows - options.recent);
  if (options.window == "step") begin = std::max(begin, step_begin);
  std::vector<int64_t> recent, candidates;
  for (int64_t t = begin; t < rows; ++t) {
    if (reachable(t)) recent.push_back(t);
  }
  for (int64_t t = options.recall_exclude_first; t < begin; ++t) {
    if (reachable(t)) candidates.push_back(t);
  }
  const int64_t voters = std::min({options.recent, p_SHT.size(0), rows - step_begin});
  const at::Tensor mass = p_SHT.detach().narrow(0, p_SHT.size(0) - voters, voters).sum(at::IntArrayRef{0, 1});
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](int64_t a, int64_t b) { return mass[a].item<double>() > mass[b].item<double>(); });
  if (options.recall_share > 0) keep_share(candidates, mass, options.recall_share);
  if (options.recall_diversity > 0) keep_diverse(candidates, mass, k_TGD.detach(), options);
  if (!options.rewrite_recent) recent.clear();
  if (static_cast<int64_t>(candidates.size()) > options.recall) candidates.resize(static_cast<size_t>(options.recall));
  std::sort(candidates.begin(), candidates.end());
  return {recent, candidates};
}

inline at::Tensor to_index(const std::vector<int64_t>& values) {
  return at::tensor(at::ArrayRef<int64_t>(values), at::kLong);
}

inline NaiveResult naive_sequence(const Decoder& decoder, const Method& method, const Plan& plan, int32_t sequence,
                                  const NaiveSettings& settings) {
  const PlanSequence& whole = plan.sequences[static_cast<size_t>(sequence)];
  std::vector<int64_t> ids(plan.ids.begin() + whole.begin, plan.ids.begin() + whole.end);
  std::vector<int64_t> position(plan.positions.begin() + whole.begin, plan.positions.begin() + whole.end);
  const size_t layers = decoder.layers.size();
  std::vector<at::Tensor> k(layers), v(layers), hidden;
  NaiveResult out;
  out.rows.resize(layers);
  int64_t event = 0;
  for (const Segment& segment : plan.segments) {
    if (segment.sequence != sequence) continue;
    const int64_t begin = segment.begin - whole.begin, end = segment.end - whole.begin;
    const at::Tensor id = to_index({ids.begin() + begin, ids.begin() + end}),
                     at_position = to_index({position.begin() + begin, position.begin() + end});
    const Rotary angles = rotary(decoder.config, at_position, decoder.embedding.scalar_type());
    at::Tensor x = embed(decoder, id);
    std::vector<at::Tensor> probabilities(layers);
    for (size_t l = 0; l < layers; ++l) {
      const int64_t layer = static_cast<int64_t>(l);
      const Qkv qkv = project_qkv(decoder, layer, x, angles);
      k[l] = k[l].defined() ? at::cat({k[l], qkv.k_NGD}) : qkv.k_NGD;
      v[l] = v[l].defined() ? at::cat({v[l], qkv.v_NGD}) : qkv.v_NGD;
      if (end == begin) continue;
      const AttentionSpec spec = decoder.attention(layer);
      const at::Tensor p_SHT = naive_probabilities(qkv.q_NHD, k[l], spec, position);
      const at::Tensor v_THD = v[l].repeat_interleave(qkv.q_NHD.size(1) / v[l].size(1), 1);
      x = finish_layer(decoder, layer, x, at::einsum("sht,thd->shd", {p_SHT, v_THD}));
      probabilities[l] = p_SHT;
    }
    hidden.push_back(x);
    if (segment.event < 0) continue;
    const PlanEvent& boundary = plan.events[static_cast<size_t>(segment.event)];
    const int64_t step_begin = boundary.step_begin, cut = boundary.rows, voting = end - begin - (end - cut);
    for (size_t l = 0; l < layers; ++l) {
      const int64_t layer = static_cast<int64_t>(l);
      if (settings.bptt_steps > 0 && event % settings.bptt_steps == 0) {
        k[l] = k[l].detach();
        v[l] = v[l].detach();
      }
      if (cut == step_begin) {
        out.rows[l].push_back({});
        continue;
      }
      const at::Tensor p_SHT = probabilities[l].defined() ? probabilities[l].narrow(0, 0, voting) : at::Tensor();
      const auto [recent, recalled] =
          naive_choice(p_SHT, step_begin, cut, settings.rows, decoder.attention(layer).window, position, k[l]);
      std::vector<int64_t> rows = recent;
      rows.insert(rows.end(), recalled.begin(), recalled.end());
      out.rows[l].push_back(rows);
      if (rows.empty()) continue;
      const at::Tensor row = to_index(rows);
      const int64_t count = row.size(0), half = k[l].size(1) * k[l].size(2);
      const at::Tensor u =
          at::cat({k[l].index_select(0, row).view({count, half}), v[l].index_select(0, row).view({count, half})}, 1);
      std::vector<int64_t> kinds(rows.size(), static_cast<int64_t>(RowKind::recalled));
      std::fill(kinds.begin(), kinds.begin() + static_cast<int64_t>(recent.size()),
                static_cast<int64_t>(RowKind::recent));
      Events events{.layer_begin = layer,
                    .layer_end = layer + 1,
                    .u_YEWC = u.view({1, 1, count, 2 * half}),
                    .position_YEW = to_index(position).index_select(0, row).view({1, 1, count}),
                    .kind_YEW = to_index(kinds).to(at::kChar).view({1, 1, count}),
                    .source_E = to_index({whole.source}),
                    .ordinal_E = to_index({event}),
                    .call_weight = settings.call_weight};
      const ParameterStore* store = method.parameters();
      const std::vector<at::Tensor> leaves = store != nullptr ? store->layer_leaves(layer) : std::vector<at::Tensor>();
      const Edit edit = method.effects().rewrite->edit(events, leaves);
      const at::Tensor changed = u + (edit.gate * edit.delta_YEWC).view({count, 2 * half});
      const auto back = [&](const at::Tensor& cache, int64_t part) {
        return cache.index_put({row},
                               changed.narrow(1, part * half, half).reshape({count, cache.size(1), cache.size(2)}));
      };
      k[l] = back(k[l], 0);
      v[l] = back(v[l], 1);
    }
    ++event;
  }
  const at::Tensor logit = logits(decoder, final_hidden(decoder, at::cat(hidden))).log_softmax(1);
  out.loss = at::zeros({}, logit.options());
  for (int64_t t = 0; t < whole.end - whole.begin; ++t) {
    const int32_t target = plan.targets[static_cast<size_t>(whole.begin + t)];
    if (target >= 0) out.loss = out.loss - logit[t][target];
  }
  return out;
}

}  // namespace bt::testing
