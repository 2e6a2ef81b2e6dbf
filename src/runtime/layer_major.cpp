// The fast order: layer by layer over whole sequences, with a scan over steps only where a rewrite can act (attention
// over the cache and the events). Exact because block l reads layer l's cache alone: (layer, step) depends on (layer -
// 1, step) and (layer, step - 1).
//
// The residual stream is kept in two parts, the prompts and everything after. Under a frozen backbone nothing trainable
// reaches the prompts, so that autograd records nothing for them.
#include <ATen/ATen.h>

#include "bt/ops/ops.h"
#include "orders.h"
#include "segment_cache.h"
#include "truncated_scan.h"

namespace bt {
namespace {

// One part of the packed tokens.
struct Part {
  int64_t begin = 0, end = 0;
  at::Tensor x_NC;
  Rotary rotary;
  bool empty() const { return begin == end; }
};

Part make_part(const Pass& pass, int64_t begin, int64_t end) {
  Part part{begin, end, {}, {}};
  if (part.empty()) return part;
  part.x_NC = pass.inputs_NC(begin, end);
  part.rotary = rotary(pass.decoder.config, pass.plan.position_N.narrow(0, begin, end - begin),
                       pass.decoder.embedding.scalar_type());
  return part;
}

struct LayerOutput {
  at::Tensor prompt_NHD, live_NHD;
  std::vector<at::Tensor> rows;
  RewriteFigures figures;
};

Qkv slice(const Qkv& qkv, int64_t begin, int64_t count) {
  return {qkv.q_NHD.narrow(0, begin, count), qkv.k_NGD.narrow(0, begin, count), qkv.v_NGD.narrow(0, begin, count)};
}

// The scan with whatever truncation, in plain differentiable operators.
LayerOutput differentiable_scan(const Pass& pass, int64_t layer, const Qkv& prompt, const Qkv& live) {
  const DevicePlan& plan = pass.plan;
  SegmentCache cache(plan, pass.effects, layer, pass.decoder);
  LayerOutput out;
  std::vector<at::Tensor> live_out;
  for (int64_t depth = 0; depth < static_cast<int64_t>(plan.depths.size()); ++depth) {
    const DepthPlan& at_depth = plan.depths[static_cast<size_t>(depth)];
    if (depth == 0) {
      out.prompt_NHD = cache.attend(depth, prompt);
    } else {
      live_out.push_back(cache.attend(
          depth, slice(live, at_depth.token_begin - plan.live_begin, at_depth.token_end - at_depth.token_begin)));
    }
    if (at_depth.events == 0) continue;
    const at::Tensor rows =
        cache.act(depth, pass.layer_parameters(layer), pass.cut_at(depth), pass.replayed(layer, depth));
    if (rows.defined()) out.rows.push_back(rows);
  }
  if (!live_out.empty()) out.live_NHD = at::cat(live_out);
  out.figures = cache.figures();
  return out;
}

// bptt_steps: 1. The prompts attend to themselves in one call; the rest is one node.
LayerOutput truncated_layer(const Pass& pass, int64_t layer, const Qkv& prompt, const Qkv& live) {
  const DepthPlan& first = pass.plan.depths[0];
  const AttentionSpec spec = pass.decoder.attention(layer);
  const int64_t heads = prompt.q_NHD.size(1), width = prompt.q_NHD.size(2);
  LayerOutput out;
  at::Tensor lse_BSH = prompt.q_NHD.new_zeros({first.sequences, 0, heads});
  out.prompt_NHD = prompt.q_NHD;
  if (first.width > 0) {
    const KvView own{padded(prompt.k_NGD, first).transpose(1, 2),
                     padded(prompt.v_NGD, first).transpose(1, 2),
                     first.rows_B,
                     pass.plan.position_BT.narrow(1, 0, first.rows),
                     {}};
    const ops::Attended attended = ops::causal_attention(padded(prompt.q_NHD, first), first.query_length_B, own, spec);
    lse_BSH = attended.lse_BSH.detach();
    out.prompt_NHD = attended.out_BSHD.reshape({-1, heads, width}).index_select(0, first.slot_n);
  }
  if (pass.plan.depths.size() < 2) return out;  // no boundary is followed by anything
  const std::vector<at::Tensor>* replay =
      pass.options.replay != nullptr ? &(*pass.options.replay)[static_cast<size_t>(layer)] : nullptr;
  const bool keep = pass.options.keep_activations.value_or(prompt.q_NHD.device().is_cpu());
  TruncatedScan scan = truncated_scan(pass.plan, pass.effects, layer, spec, prompt, lse_BSH, live,
                                      pass.layer_parameters(layer), replay, keep);
  out.live_NHD = scan.out_nHD;
  out.rows = std::move(scan.rows);
  out.figures = scan.figures;
  return out;
}

Qkv project(const Pass& pass, int64_t layer, const Part& part) {
  if (!part.empty()) return project_qkv(pass.decoder, layer, part.x_NC, part.rotary);
  const ModelConfig& config = pass.decoder.config;
  const at::Tensor none = at::empty({0}, pass.decoder.options().requires_grad(false));
  return {none.view({0, config.heads, config.head_dim}), none.view({0, config.kv_heads, config.head_dim}),
          none.view({0, config.kv_heads, config.head_dim})};
}

at::Tensor supervised(const Pass& pass, const Part& prompt, const Part& live) {
  const DevicePlan& plan = pass.plan;
  const int64_t in_prompt = plan.supervised_in_prompt, after = plan.supervised_M.size(0) - in_prompt;
  std::vector<at::Tensor> parts;
  if (!prompt.empty()) parts.push_back(prompt.x_NC.index_select(0, plan.supervised_M.narrow(0, 0, in_prompt)));
  if (!live.empty())
    parts.push_back(live.x_NC.index_select(0, plan.supervised_M.narrow(0, in_prompt, after) - plan.live_begin));
  return at::cat(parts);
}

}  // namespace

Hidden layer_major(const Pass& pass) {
  Part prompt = make_part(pass, 0, pass.plan.live_begin),
       live = make_part(pass, pass.plan.live_begin, pass.plan.tokens);
  Hidden out;
  for (int64_t layer = 0; layer < pass.decoder.config.layers; ++layer) {
    for (Part* part : {&prompt, &live}) {
      if (!part->empty()) part->x_NC = pass.steered(part->x_NC, layer, part->begin);
    }
    const Qkv prompt_qkv = project(pass, layer, prompt), live_qkv = project(pass, layer, live);
    LayerOutput attended = pass.options.bptt_steps == 1 ? truncated_layer(pass, layer, prompt_qkv, live_qkv)
                                                        : differentiable_scan(pass, layer, prompt_qkv, live_qkv);
    if (!prompt.empty()) prompt.x_NC = finish_layer(pass.decoder, layer, prompt.x_NC, attended.prompt_NHD);
    if (!live.empty()) live.x_NC = finish_layer(pass.decoder, layer, live.x_NC, attended.live_NHD);
    out.rows.push_back(std::move(attended.rows));
    out.figures.push_back(attended.figures);
  }
  out.supervised_MC = supervised(pass, prompt, live);
  return out;
}

}  // namespace bt
