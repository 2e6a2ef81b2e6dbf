#include "truncated_scan.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "truncated_scan_state.h"

namespace bt {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A TensorList argument, never a std::vector: the latter silently gets no gradient.
class ScanNode : public torch::autograd::Function<ScanNode> {
 public:
  static at::Tensor forward(AutogradContext* context, at::TensorList inputs,
                            const c10::intrusive_ptr<ScanState>& state) {
    const Qkv live{inputs[0], inputs[1], inputs[2]};
    variable_list saved{inputs[0]};
    saved.insert(saved.end(), inputs.begin() + 3, inputs.end());
    context->save_for_backward(saved);
    context->saved_data["state"] = c10::IValue::make_capsule(state);
    return scan_forward(*state, live);
  }

  static variable_list backward(AutogradContext* context, variable_list grad) {
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["state"].toCapsule();
    auto& state = static_cast<ScanState&>(*capsule);
    ScanGradients d = scan_backward(state, saved[0], grad[0].contiguous());
    variable_list out{d.q_nHD, d.k_nGD, d.v_nGD};
    out.insert(out.end(), d.parameters.begin(), d.parameters.end());
    out.emplace_back();  // the state
    return out;
  }
};

}  // namespace

TruncatedScan truncated_scan(const DevicePlan& plan, const Effects& effects, int64_t layer, const AttentionSpec& spec,
                             const Qkv& prompt, const at::Tensor& prompt_lse_BSH, const Qkv& live,
                             at::TensorList parameters, const std::vector<at::Tensor>* replay, bool keep_activations) {
  auto state = c10::make_intrusive<ScanState>();
  state->plan = &plan;
  state->effects = effects;
  state->layer = layer;
  state->spec = spec;
  state->prompt = {prompt.q_NHD.detach(), prompt.k_NGD.detach(), prompt.v_NGD.detach()};
  state->prompt_lse_BSH = prompt_lse_BSH;
  state->replay = replay;
  state->live_needs_grad = at::GradMode::is_enabled() && live.q_NHD.requires_grad();
  state->leaves = leaves_of(parameters);
  state->keeps_activations = at::GradMode::is_enabled() && keep_activations;
  std::vector<at::Tensor> inputs{live.q_NHD, live.k_NGD, live.v_NGD};
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  TruncatedScan out;
  out.out_nHD = ScanNode::apply(at::TensorList(inputs), state);
  for (const ScanEvent& event : state->events) out.rows.push_back(event.rows_EW);
  out.figures = state->figures;
  return out;
}

}  // namespace bt
