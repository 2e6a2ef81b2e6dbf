#include "bt/runtime/uncertainty.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>

#include "bt/core/error.h"
#include "bt/runtime/decoding.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "to_tensor.h"

namespace bt {
namespace {

std::vector<float> on_host(const at::Tensor& values) {
  const at::Tensor host = values.to(at::kFloat).cpu().contiguous();
  return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

at::Tensor log_probabilities(const at::Tensor& logits_AV) {
  return logits_AV.to(logits_AV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat).log_softmax(1);
}

// The text with every token of the response predicted.
Example predicted(const Example& text) {
  Example out = text;
  const auto first = static_cast<std::ptrdiff_t>(std::max<int64_t>(1, text.prompt_length));
  std::fill(out.supervised.begin(), out.supervised.begin() + first, 0);
  std::fill(out.supervised.begin() + first, out.supervised.end(), 1);
  return out;
}

// Values of the tokens of the response from those of the predictions: an entropy belongs to the token before the
// prediction, a surprise to the one that was predicted.
void assign(const Plan& plan, const DevicePlan& device, const at::Tensor& value_M, bool is_entropy,
            std::vector<Example>& texts, size_t begin) {
  const at::Tensor place_M = device.plan_index_N.index_select(0, device.supervised_M).cpu();
  const std::vector<float> value = on_host(value_M);
  std::map<int64_t, float> after;  // by place in the plan
  for (int64_t m = 0; m < place_M.size(0); ++m) after[place_M[m].item<int64_t>()] = value[static_cast<size_t>(m)];
  for (const PlanSequence& sequence : plan.sequences) {
    Example& text = texts[begin + static_cast<size_t>(sequence.example)];
    for (auto i = static_cast<size_t>(text.prompt_length); i < text.ids.size(); ++i) {
      const auto found = after.find(sequence.begin + static_cast<int64_t>(i) - (is_entropy ? 0 : 1));
      if (found != after.end()) text.uncertainty[i] = found->second;
    }
  }
}

void measure_alone(const Decoder& decoder, const BoundaryTable& table, bool is_entropy, size_t begin, size_t end,
                   std::vector<Example>& texts) {
  std::vector<Example> batch;
  for (size_t i = begin; i < end; ++i) batch.push_back(predicted(texts[i]));
  const Plan plan = plan_for(nullptr, batch, table, {}, {});
  if (plan.supervised_tokens == 0) return;
  const DevicePlan device = to_device(plan, decoder.embedding.device());
  const Forward forward = teacher_forced(decoder, nullptr, device, {.keep_entropy = is_entropy});
  assign(plan, device, is_entropy ? forward.entropy_M : forward.nll_M, is_entropy, texts, begin);
}

// Decodes the texts, which are the engine's choice, as if the model had written them.
void measure_live(const Decoder& decoder, const Method* method, const BoundaryTable& table,
                  const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids, size_t begin, size_t end,
                  std::vector<Example>& texts) {
  const auto given = [&](const LogitRow& row) -> int32_t {
    const Example& text = texts[static_cast<size_t>(row.request)];
    return text.ids[static_cast<size_t>(text.prompt_length + row.generated)];
  };
  const ChooseTokens forced = [&](const at::Tensor&, const std::vector<LogitRow>& rows) {
    std::vector<int32_t> ids;
    for (const LogitRow& row : rows) ids.push_back(given(row));
    return ids;
  };
  DecodingShape shape{.slots = static_cast<int64_t>(end - begin), .capacity = 0, .joins_at_once = true};
  std::vector<DecodingRequest> requests;
  for (size_t i = begin; i < end; ++i) {
    const Example& text = texts[i];
    const auto length = static_cast<int64_t>(text.ids.size()), response = length - text.prompt_length;
    if (text.prompt_length == 0) {
      fail_usage({.what = "boundaries that the running model decides need texts with a prompt",
                  .where = "latent.trigger.boundaries",
                  .expected = "precomputed",
                  .found = "live"});
    }
    shape.capacity = std::max(shape.capacity, length + most_added_rows(method, trigger, text.prompt_length, response));
    if (response == 0) continue;
    requests.push_back({i, {text.ids.begin(), text.ids.begin() + text.prompt_length}, response, text.key()});
  }
  Decoding engine(decoder, method, table, trigger, eos_ids, shape, forced);
  engine.admit(requests);
  while (!engine.idle()) {
    for (const SlotReport& report : engine.step()) {
      if (report.finish == Finish::none) continue;
      const std::vector<float>& values = engine.uncertainty(report.slot);
      Example& text = texts[static_cast<size_t>(report.request)];
      for (size_t i = 0; i < values.size(); ++i)
        text.uncertainty[static_cast<size_t>(text.prompt_length) + i] = values[i];
    }
  }
}

}  // namespace

void measure_uncertainty(const Decoder& decoder, const Method* method, const BoundaryTable& table,
                         const TriggerOptions& trigger, const std::vector<int32_t>& eos_ids, int64_t batch_size,
                         std::vector<Example>& texts) {
  if (!asks_model(trigger)) return;
  const at::NoGradGuard no_grad;
  const auto step = static_cast<size_t>(batch_size);
  for (Example& text : texts) text.uncertainty.assign(text.ids.size(), 0.0F);
  for (size_t begin = 0; begin < texts.size(); begin += step) {
    const size_t end = std::min(texts.size(), begin + step);
    if (trigger.live)
      measure_live(decoder, method, table, trigger, eos_ids, begin, end, texts);
    else
      measure_alone(decoder, table, trigger.kind == "entropy", begin, end, texts);
  }
}

std::vector<float> entropies(const at::Tensor& logits_AV) {
  const at::Tensor log_p = log_probabilities(logits_AV);
  return on_host((log_p.exp() * log_p).sum(1).neg());
}

std::vector<float> surprises(const at::Tensor& logits_AV, const std::vector<int32_t>& chosen) {
  const at::Tensor column = to_tensor({chosen.begin(), chosen.end()}, logits_AV.device()).unsqueeze(1);
  return on_host(log_probabilities(logits_AV).gather(1, column).squeeze(1).neg());
}

}  // namespace bt
