// One pass over texts and the branches that leave them (arXiv 2412.17747, section 2.2): the frozen decoder reads every
// text once; the coprocessor reads its cache at all places together; the decoder reads latents and ahead tokens of all
// branches together. Only the last two are recorded, and the gate, which reads the decoder's states in the texts.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bt/ops/ops.h"
#include "orders.h"

namespace bt {
namespace {

struct Texts {
  std::vector<KvView> caches;
  at::Tensor x_NC;  // behind the last layer; undefined where nobody reads it
};

// Whole texts, layer by layer. What the last layer makes of its attention is read by a gate alone.
Texts read_texts(const Pass& pass, bool to_the_end) {
  const at::NoGradGuard frozen;
  const DevicePlan& plan = pass.plan;
  const DepthPlan& whole = plan.depths[0];
  const Rotary angles = rotary(pass.decoder.config, plan.position_N, pass.decoder.embedding.scalar_type());
  Texts out;
  std::vector<KvView>& caches = out.caches;
  at::Tensor x_NC = embed(pass.decoder, plan.id_N);
  for (int64_t layer = 0; layer < pass.decoder.config.layers; ++layer) {
    const Qkv qkv = project_qkv(pass.decoder, layer, x_NC, angles);
    caches.push_back({padded(qkv.k_NGD, whole).transpose(1, 2).contiguous(),
                      padded(qkv.v_NGD, whole).transpose(1, 2).contiguous(),
                      whole.rows_B,
                      plan.position_BT,
                      {}});
    if (layer + 1 == pass.decoder.config.layers && !to_the_end) return out;
    const at::Tensor out_BSHD = ops::causal_attention(padded(qkv.q_NHD, whole), whole.query_length_B, caches.back(),
                                                      pass.decoder.attention(layer))
                                    .out_BSHD;
    const at::Tensor out_NHD = out_BSHD.flatten(0, 1).index_select(0, whole.slot_n);
    x_NC = finish_layer(pass.decoder, layer, x_NC, out_NHD);
  }
  out.x_NC = x_NC;
  return out;
}

// The gate's logits from the texts' states where the coprocessor is called.
at::Tensor gate_of(const Pass& pass, const at::Tensor& x_NC) {
  const DeviceBranches& branches = pass.plan.branches;
  const auto there = [&](const at::Tensor& x) { return x.to(pass.plan.packed_BT.device(), /*non_blocking=*/true); };
  const at::Tensor row_R1 = there(branches.read_R - 1).unsqueeze(1);
  const at::Tensor token_R =
      pass.plan.packed_BT.index_select(0, there(branches.sequence_R)).gather(1, row_R1).squeeze(1);
  return pass.effects.append->gate_R(final_hidden(pass.decoder, x_NC.index_select(0, token_R)));
}

at::Tensor latents_of(const Pass& pass, const std::vector<KvView>& caches) {
  const DeviceBranches& branches = pass.plan.branches;
  const Append& append = *pass.effects.append;
  if (append.kind() == AppendKind::from_cache)
    return append.latents_RMK(pass.decoder, {caches, branches.sequence_R, branches.read_R,
                                             branches.read_R.to(branches.position_RS.device(), /*non_blocking=*/true)});
  const at::Tensor known_MC = append.embeddings_MK(pass.shared_parameters());
  return known_MC.unsqueeze(0).expand({branches.sequence_R.size(0), -1, -1});
}

// The last latent and every ahead token but the last predict one.
at::Tensor predicting(const at::Tensor& x_RSX, const BranchShape& shape) {
  return x_RSX.narrow(1, shape.latents - 1, shape.ahead).flatten(0, 1);
}

}  // namespace

Hidden branch_pass(const Pass& pass) {
  const DeviceBranches& branches = pass.plan.branches;
  const ModelConfig& config = pass.decoder.config;
  const int64_t count = branches.sequence_R.size(0), rows = branches.position_RS.size(1);
  const bool is_gated = pass.effects.append->gate().learned;
  const Texts texts = read_texts(pass, is_gated);
  const std::vector<KvView>& caches = texts.caches;
  const at::Tensor latents_RMC = latents_of(pass, caches);
  const at::Tensor ahead_RAC =
      embed(pass.decoder, branches.ahead_id_RA.flatten()).view({count, branches.shape.ahead, config.hidden_size});
  at::Tensor x_NC = at::cat({latents_RMC.to(ahead_RAC.scalar_type()), ahead_RAC}, 1).flatten(0, 1);
  const Rotary angles = rotary(config, branches.position_RS.flatten(), x_NC.scalar_type());
  const ops::Branches places{branches.sequence_R, branches.join_R, branches.position_RS};
  const auto by_branch = [&](const at::Tensor& x_NHD) {
    return x_NHD.view({count, rows, x_NHD.size(1), x_NHD.size(2)});
  };
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const Qkv qkv = project_qkv(pass.decoder, layer, x_NC, angles);
    at::Tensor out_RSHD =
        ops::branch_attention(by_branch(qkv.q_NHD), by_branch(qkv.k_NGD), by_branch(qkv.v_NGD), places,
                              caches[static_cast<size_t>(layer)], pass.decoder.attention(layer));
    const bool is_last = layer + 1 == config.layers;
    if (is_last) x_NC = predicting(x_NC.view({count, rows, -1}), branches.shape);
    x_NC = finish_layer(pass.decoder, layer, x_NC,
                        is_last ? predicting(out_RSHD, branches.shape) : out_RSHD.flatten(0, 1));
  }
  Hidden out;
  out.supervised_MC = x_NC.index_select(0, pass.plan.supervised_M);
  if (!is_gated) return out;
  out.gate_R = gate_of(pass, texts.x_NC);
  if (out.gate_R.requires_grad()) out.plain_MC = texts.x_NC.index_select(0, branches.plain_M);
  return out;
}

}  // namespace bt
