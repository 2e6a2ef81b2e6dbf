// The readable order: step by step through all layers, as decoding does. Everything in it is a plain differentiable
// operator; it is the reference for the layer-major order and runs every method.
#include <ATen/ATen.h>

#include "bt/runtime/method_plan.h"
#include "orders.h"
#include "segment_cache.h"

namespace bt {
namespace {

// Latents from the caches as they stand, for the sequences that the depth's events belong to.
at::Tensor latents_after(const Pass& pass, int64_t depth, const std::vector<SegmentCache>& caches) {
  const DepthPlan& at_depth = pass.plan.depths[static_cast<size_t>(depth)];
  PrefixCache prefix;
  for (const SegmentCache& cache : caches) prefix.layers.push_back(cache.view(depth));
  const at::Tensor end_R = at_depth.rows_B.narrow(0, 0, at_depth.events);
  prefix.end_R = end_R.cpu();
  prefix.sequence_R = at::arange(at_depth.events, at::kLong);
  const at::Tensor position_RT = pass.plan.position_BT.narrow(0, 0, at_depth.events);
  prefix.position_R = position_RT.gather(1, end_R.unsqueeze(1)).squeeze(1);
  return pass.effects.append->latents_RMK(pass.decoder, prefix).flatten(0, 1);
}

// The latent of every sequence of a depth, from the last token of the depth before it. None where the depth begins with
// text.
at::Tensor latents_before(const Pass& pass, int64_t depth, const at::Tensor& before_NC) {
  const DepthPlan& here = pass.plan.depths[static_cast<size_t>(depth)];
  const bool is_latent = here.width == 1 && pass.plan.id_N[here.token_begin].item<int64_t>() < 0;
  if (!is_latent) return {};
  const DepthPlan& before = pass.plan.depths[static_cast<size_t>(depth) - 1];
  const at::Tensor last_B1 = (before.query_length_B.narrow(0, 0, here.sequences) - 1).unsqueeze(1);
  const at::Tensor token_B = before.token_BS.narrow(0, 0, here.sequences).gather(1, last_B1).squeeze(1);
  return pass.effects.append->latent_RK(final_hidden(pass.decoder, before_NC.index_select(0, token_B)),
                                        pass.shared_parameters());
}

}  // namespace

Hidden step_major(const Pass& pass) {
  const DevicePlan& plan = pass.plan;
  const int64_t layers = pass.decoder.config.layers;
  const Rotary rotary_N = rotary(pass.decoder.config, plan.position_N, pass.decoder.embedding.scalar_type());
  std::vector<SegmentCache> caches;
  for (int64_t layer = 0; layer < layers; ++layer) caches.emplace_back(plan, pass.effects, layer, pass.decoder);

  Hidden out;
  out.rows.resize(static_cast<size_t>(layers));
  std::vector<at::Tensor> hidden;
  at::Tensor latents_nC;  // that the next depth begins with
  for (int64_t depth = 0; depth < static_cast<int64_t>(plan.depths.size()); ++depth) {
    const DepthPlan& at_depth = plan.depths[static_cast<size_t>(depth)];
    const int64_t tokens = at_depth.token_end - at_depth.token_begin;
    const Rotary here{rotary_N.cos.narrow(0, at_depth.token_begin, tokens),
                      rotary_N.sin.narrow(0, at_depth.token_begin, tokens)};
    if (depth > 0 && appends_recurrently(pass.method)) latents_nC = latents_before(pass, depth, hidden.back());
    at::Tensor x_NC = pass.inputs_NC(at_depth.token_begin, at_depth.token_end, latents_nC);
    for (int64_t layer = 0; layer < layers; ++layer) {
      x_NC = pass.steered(x_NC, layer, at_depth.token_begin);
      const at::Tensor out_NHD =
          caches[static_cast<size_t>(layer)].attend(depth, project_qkv(pass.decoder, layer, x_NC, here));
      x_NC = finish_layer(pass.decoder, layer, x_NC, out_NHD);
    }
    hidden.push_back(x_NC);
    if (at_depth.events == 0) continue;
    for (int64_t layer = 0; layer < layers; ++layer) {
      const at::Tensor rows = caches[static_cast<size_t>(layer)].act(depth, pass.layer_parameters(layer),
                                                                     pass.cut_at(depth), pass.replayed(layer, depth));
      if (rows.defined()) out.rows[static_cast<size_t>(layer)].push_back(rows);
    }
    if (appends_from_cache(pass.method)) latents_nC = latents_after(pass, depth, caches);
  }
  out.supervised_MC = at::cat(hidden).index_select(0, plan.supervised_M);
  for (const SegmentCache& cache : caches) out.figures.push_back(cache.figures());
  return out;
}

}  // namespace bt
