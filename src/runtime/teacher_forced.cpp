#include "bt/runtime/teacher_forced.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/runtime/linear_cross_entropy.h"
#include "bt/runtime/method_plan.h"
#include "orders.h"

namespace bt {
namespace {

// What branches predict, by the decoder alone.
Hidden without_latents(const Pass& pass) {
  DevicePlan plain = pass.plan;
  plain.supervised_M = plain.branches.plain_M;
  plain.supervised_in_prompt = plain.supervised_M.size(0);
  return layer_major({pass.decoder, pass.method, pass.effects, plain, pass.options});
}

Hidden run(const Pass& pass) {
  if (!pass.plan.branches.empty()) return pass.effects.append != nullptr ? branch_pass(pass) : without_latents(pass);
  if (appends_recurrently(pass.method)) return step_major(pass);  // a latent waits for all layers of what is before it
  if (appends_from_cache(pass.method)) {
    // Training goes by branches; the layers of the next step wait for all layers of the one before.
    BT_ASSERT(!at::GradMode::is_enabled());
    return step_major(pass);
  }
  return pass.options.order == Order::layer_major ? layer_major(pass) : step_major(pass);
}

// What the gate is trained on: p (L + cost) + (1 - p) L', with the probability p of a call, the loss L after latents
// and the loss L' of the same tokens without them, both of them numbers.
at::Tensor gate_loss(const Pass& pass, const Hidden& hidden, const at::Tensor& nll_M) {
  const at::Tensor branch_M = pass.plan.supervised_M.floor_divide(pass.plan.branches.shape.ahead);
  const at::Tensor plain_M = [&] {
    const at::NoGradGuard frozen;
    return linear_cross_entropy(final_hidden(pass.decoder, hidden.plain_MC), pass.decoder.head, pass.plan.target_M,
                                pass.decoder.config.logit_softcap, 1)
        .nll_M;
  }();
  // at::embedding, since the gradient of index_select adds up in any order where indices repeat.
  const at::Tensor p_R1 = hidden.gate_R.to(nll_M.scalar_type()).sigmoid().unsqueeze(1);
  const at::Tensor p_M = at::embedding(p_R1, branch_M).squeeze(1);
  const at::Tensor called_M = nll_M + pass.effects.append->gate().cost;
  return (p_M * called_M + (1 - p_M) * plain_M).sum() * pass.options.loss_scale;
}

// Events act in all layers or in none. Undefined where there was none.
at::Tensor of_layers(const std::vector<RewriteFigures>& figures_L, at::Tensor (RewriteFigures::*figure)() const) {
  std::vector<at::Tensor> out_L;
  for (const RewriteFigures& layer : figures_L) out_L.push_back((layer.*figure)());
  return out_L.empty() || !out_L.front().defined() ? at::Tensor() : at::stack(out_L);
}

}  // namespace

std::vector<at::Tensor> Pass::layer_parameters(int64_t layer) const {
  const ParameterStore* store = method != nullptr ? method->parameters() : nullptr;
  return store != nullptr ? store->layer_leaves(layer) : std::vector<at::Tensor>();
}

std::vector<at::Tensor> Pass::shared_parameters() const {
  const ParameterStore* store = method != nullptr ? method->parameters() : nullptr;
  return store != nullptr ? store->shared_leaves() : std::vector<at::Tensor>();
}

at::Tensor Pass::inputs_NC(int64_t begin, int64_t end, const at::Tensor& computed_nC) const {
  const at::Tensor id_N = plan.id_N.narrow(0, begin, end - begin);
  if (effects.append == nullptr) return embed(decoder, id_N);
  const at::Tensor latent_n = (id_N < 0).nonzero().squeeze(1);
  const at::Tensor x_NC = embed(decoder, id_N.clamp_min(0));
  if (latent_n.numel() == 0) return x_NC;
  const at::Tensor latents_nC =
      computed_nC.defined()
          ? computed_nC
          : at::embedding(effects.append->embeddings_MK(shared_parameters()), -1 - id_N.index_select(0, latent_n));
  return x_NC.index_copy(0, latent_n, latents_nC.to(x_NC.scalar_type()));
}

at::Tensor Pass::steered(const at::Tensor& x_NC, int64_t layer, int64_t begin) const {
  if (effects.steer == nullptr) return x_NC;
  BT_ASSERT(plan.steered_N.defined());                              // a plan of plan_for
  if (begin < plan.live_begin && !plan.steers_prompt) return x_NC;  // nothing to record of the prompts
  const at::Tensor direction_K = effects.steer->direction_K(layer, layer_parameters(layer));
  if (!direction_K.defined()) return x_NC;
  const at::Tensor steered_N1 = plan.steered_N.narrow(0, begin, x_NC.size(0)).to(x_NC.scalar_type()).unsqueeze(1);
  return x_NC + steered_N1 * direction_K.to(x_NC.scalar_type());
}

bool Pass::cut_at(int64_t boundary) const {
  if (appends_recurrently(method)) return false;  // what trains is the way through the latents
  return options.bptt_steps > 0 && boundary % options.bptt_steps == 0;
}

const at::Tensor* Pass::replayed(int64_t layer, int64_t depth) const {
  if (options.replay == nullptr) return nullptr;
  return &(*options.replay)[static_cast<size_t>(layer)][static_cast<size_t>(depth)];
}

Forward teacher_forced(const Decoder& decoder, const Method* method, const DevicePlan& plan,
                       const ForwardOptions& options) {
  const Effects effects = method != nullptr ? method->effects() : Effects{};
  BT_ASSERT(effects.append_rows == nullptr || (effects.rewrite == nullptr && effects.evict == nullptr));
  check_length(decoder.config, plan.rows);
  const Decoder attached = method != nullptr ? method->attach(decoder) : decoder;
  const Pass pass{attached, method, effects, plan, options};
  Hidden hidden = run(pass);
  const at::Tensor final_MC = final_hidden(attached, hidden.supervised_MC);
  const CrossEntropy entropy = linear_cross_entropy(
      final_MC, attached.head, plan.target_M, attached.config.logit_softcap, options.loss_scale, options.keep_entropy);
  Forward out;
  out.loss = entropy.loss;
  out.nll_M = entropy.nll_M;
  out.correct_M = entropy.correct_M;
  out.entropy_M = entropy.entropy_M;
  if (hidden.plain_MC.defined()) out.loss = out.loss + gate_loss(pass, hidden, entropy.nll_M);
  if (hidden.gate_R.defined()) out.open_R = hidden.gate_R.detach() >= 0;
  if (options.keep_logits) out.logits_MV = logits(attached, final_MC);
  if (options.record_rows) out.rows = std::move(hidden.rows);
  out.rewrite_size_L = of_layers(hidden.figures, &RewriteFigures::size);
  out.call_rate_L = of_layers(hidden.figures, &RewriteFigures::call_rate);
  return out;
}

}  // namespace bt
