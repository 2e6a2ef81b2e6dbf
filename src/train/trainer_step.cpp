// One optimiser step, and the validation loss.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/step_flops.h"
#include "bt/train/trainer.h"

namespace bt {
namespace {

// Of layers, over the passes of a step. On the device until it is asked for.
class WeightedMean {
 public:
  void add(const at::Tensor& x_L, double weight) {
    if (!x_L.defined()) return;
    const at::Tensor own_L = x_L * weight;
    sum_L_ = sum_L_.defined() ? sum_L_ + own_L : own_L;
    weight_ += weight;
  }
  std::vector<double> mean() const {
    if (!sum_L_.defined()) return {};
    const at::Tensor mean_L = (sum_L_ / weight_).cpu();
    return {mean_L.const_data_ptr<double>(), mean_L.const_data_ptr<double>() + mean_L.numel()};
  }

 private:
  at::Tensor sum_L_;
  double weight_ = 0;
};

std::vector<double> roots(std::vector<double> squares) {
  for (double& x : squares) x = std::sqrt(x);
  return squares;
}

// Events, places of branches, or runs of latents that were spliced in.
int64_t calls_of(const Plan& plan) {
  const auto spliced = std::count(plan.ids.begin(), plan.ids.end(), -1);
  return static_cast<int64_t>(plan.events.size() + plan.branches.size()) + (plan.events.empty() ? spliced : 0);
}

int64_t events_of(const DevicePlan& plan) {
  int64_t events = 0;
  for (const DepthPlan& depth : plan.depths) events += depth.events;
  return events;
}

std::string sources_text(const std::vector<std::vector<Example>>& batches) {
  constexpr size_t kMost = 64;
  std::vector<std::string> sources;
  for (const std::vector<Example>& batch : batches) {
    for (const Example& example : batch) sources.push_back(str(example.source));
  }
  const size_t count = sources.size();
  sources.resize(std::min(count, kMost));
  return join(sources, " ") + (count > kMost ? str(" and ", count - kMost, " more") : "");
}

[[noreturn]] void stop_nonfinite(const StepReport& report, int64_t step,
                                 const std::vector<std::vector<Example>>& batches) {
  throw Error(
      ExitCode::numerical,
      {.what = "training stopped: the loss or its gradient is not finite",
       .where = str("step ", step, ", training records ", sources_text(batches)),
       .expected = "finite numbers",
       .found = str("loss ", report.loss, ", gradient norm ", report.grad_norm),
       .next_step = "start anew (--resume none, or another run.out) with a lower train.lr, a longer "
                    "train.warmup_steps, train.clip_norm, or train.on_nonfinite: skip; a checkpoint goes on with its "
                    "own settings alone"});
}

}  // namespace

ForwardOptions Trainer::forward_options(double loss_scale) const {
  const TrainOptions& options = setup_.options.train;
  return {.order = options.order == "step_major" ? Order::step_major : Order::layer_major,
          .bptt_steps = options.boundaries_per_graph(),
          .loss_scale = loss_scale};
}

// With a method the formulas hold for a frozen backbone and gradients that end at the next boundary, or for both
// trained together and gradients that end nowhere.
double Trainer::flops(const Plan& plan) const {
  const int64_t per_graph = setup_.options.train.boundaries_per_graph();
  const bool is_known = setup_.method == nullptr || per_graph == (setup_.trains_backbone() ? 0 : 1);
  if (!is_known) return 0;
  const auto counted = step_flops(setup_.decoder().config, plan, setup_.options.latent.get());
  return counted ? static_cast<double>(counted->total()) : 0;
}

StepReport Trainer::step() {
  const auto begin = std::chrono::steady_clock::now();
  const Passes passes = next_ ? *std::exchange(next_, {}) : prepare(state_.step);
  StepReport report;
  report.lr = learning_rate(schedule_, state_.step);
  accumulate(passes, report);
  update(passes, report);
  cursor_ = passes.end;
  ++state_.step;
  state_.training_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

Trainer::Passes Trainer::prepare(int64_t step) {
  Passes out;
  for (int64_t i = 0; i < setup_.options.train.accumulate; ++i) {
    out.batches.push_back(loader_.next());
    const Plan plan = plan_batch(setup_, out.batches.back(), static_cast<uint64_t>(step));
    out.tokens += plan.tokens();
    out.supervised += plan.supervised_tokens;
    out.calls += calls_of(plan);
    out.events += static_cast<int64_t>(plan.events.size());
    out.texts += static_cast<int64_t>(out.batches.back().size());
    out.flops += flops(plan);
    out.plans.push_back(to_device(plan, setup_.device()));
  }
  BT_ASSERT(out.supervised > 0);  // load_dataset drops examples without a supervised token
  const auto cells = static_cast<double>(std::max<int64_t>(1, out.events * setup_.decoder().config.layers));
  for (DevicePlan& plan : out.plans) plan.call_weight = 1.0 / cells;
  out.end = loader_.cursor();
  return out;
}

// While a GPU still works on this step. Not where the model itself is asked for the boundaries: it is about to change.
void Trainer::prepare_next() {
  if (!setup_.trigger.live && state_.step + 1 < total_steps_) next_ = prepare(state_.step + 1);
}

// The gradient of the mean over the supervised tokens of all batches together, so that accumulating over k batches
// equals one batch k times as large.
void Trainer::accumulate(const Passes& passes, StepReport& report) {
  state_.tokens += passes.tokens;
  state_.flops += passes.flops;
  for (ParameterStore* store : setup_.trained()) store->zero_grad();
  at::Tensor nll = at::zeros({}, at::TensorOptions(at::kDouble).device(setup_.device())), open = at::zeros_like(nll);
  WeightedMean squares, rates;
  for (const DevicePlan& plan : passes.plans) {
    const Forward forward = teacher_forced(setup_.decoder(), setup_.method.get(), plan,
                                           forward_options(1.0 / static_cast<double>(passes.supervised)));
    if (forward.loss.requires_grad()) forward.loss.backward();  // not where no boundary fired and all else is frozen
    nll += forward.nll_M.sum(at::kDouble);
    if (forward.rewrite_size_L.defined()) squares.add(forward.rewrite_size_L.square(), 1);
    rates.add(forward.call_rate_L, static_cast<double>(events_of(plan)));
    if (forward.open_R.defined()) open += forward.open_R.sum();
  }
  prepare_next();
  report.loss = nll.item<double>() / static_cast<double>(passes.supervised);
  report.rewrite_size = roots(squares.mean());
  report.call_rate = rates.mean();
  if (is_gated(setup_.method.get())) report.call_rate = {open.item<double>() / static_cast<double>(passes.calls)};
  report.calls_per_text = static_cast<double>(passes.calls) / static_cast<double>(passes.texts);
}

void Trainer::update(const Passes& passes, StepReport& report) {
  const TrainOptions& options = setup_.options.train;
  const ParameterStores stores = setup_.trained();
  report.grad_norm = gradient_norm(stores);
  if (std::isfinite(report.loss) && std::isfinite(report.grad_norm)) {
    clip_gradient_(stores, report.grad_norm, options.clip_norm);
    optimiser_.step(report.lr);
    state_.optimiser_steps = optimiser_.steps();
    state_.skipped_in_a_row = 0;
    return;
  }
  report.skipped = true;
  ++state_.skipped_in_a_row;
  if (options.on_nonfinite == "stop" || state_.skipped_in_a_row >= options.skip_limit) {
    stop_nonfinite(report, state_.step + 1, passes.batches);
  }
  log::warning(str("step ", state_.step + 1, " is skipped: loss ", report.loss, ", gradient norm ", report.grad_norm));
}

ValidationReport Trainer::validate() const {
  const at::NoGradGuard no_grad;
  const std::vector<Example>& examples = setup_.validation.examples;
  const int64_t limit = setup_.options.train.validate_examples;
  const auto count = limit > 0 ? std::min(examples.size(), static_cast<size_t>(limit)) : examples.size();
  const auto batch_size = static_cast<size_t>(setup_.options.train.batch_size);
  ValidationReport report;
  double nll = 0, correct = 0;
  for (size_t begin = 0; begin < count; begin += batch_size) {
    const auto at = [&](size_t index) {
      return examples.begin() + static_cast<std::ptrdiff_t>(std::min(index, count));
    };
    const Plan plan = plan_batch(setup_, {at(begin), at(begin + batch_size)}, kValidationDraw);
    const Forward forward =
        teacher_forced(setup_.decoder(), setup_.method.get(), to_device(plan, setup_.device()), forward_options(1));
    nll += forward.nll_M.sum(at::kDouble).item<double>();
    correct += forward.correct_M.sum().item<double>();
    report.supervised_tokens += plan.supervised_tokens;
  }
  const auto tokens = static_cast<double>(std::max<int64_t>(1, report.supervised_tokens));
  report.loss = nll / tokens;
  report.accuracy = correct / tokens;
  return report;
}

}  // namespace bt
