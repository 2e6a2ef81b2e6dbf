#include "bt/eval/scoring.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/runtime/uncertainty.h"
#include "decoded_scoring.h"
#include "inference_memory.h"

namespace bt {
namespace {

void check_request(const InferenceModel& model, const ScoreRequest& request, size_t number) {
  const auto length = static_cast<int64_t>(request.ids.size());
  if (length == 0 || request.prompt_length < 1 || request.prompt_length > length) {
    fail_bad_file({.what = "a text to score needs a token, and a prompt no longer than it",
                   .where = str("text ", number + 1),
                   .found = str(length, " tokens, prompt_length ", request.prompt_length)});
  }
  BT_ASSERT(request.first >= 1);
  for (const int32_t id : request.ids) {
    if (id >= 0 && id < model.boundaries.vocab_size()) continue;
    fail_bad_file({.what = "token id is outside the vocabulary",
                   .where = str("text ", number + 1),
                   .expected = str("0 to ", model.boundaries.vocab_size() - 1),
                   .found = str(id)});
  }
}

void warn_beyond_context(const InferenceModel& model, const std::vector<ScoreRequest>& requests) {
  const int64_t context = model.decoder().config.max_position;
  const auto is_beyond = [&](const ScoreRequest& one) { return static_cast<int64_t>(one.ids.size()) > context; };
  const auto beyond = std::count_if(requests.begin(), requests.end(), is_beyond);
  if (beyond > 0) log::warning(str(beyond, " texts are longer than the model's context of ", context, " tokens"));
}

Example make_example(const ScoreRequest& request, size_t number) {
  Example example;
  example.ids = request.ids;
  example.prompt_length = request.prompt_length;
  example.supervised.assign(request.ids.size(), 1);
  std::fill_n(example.supervised.begin(), request.first, 0);
  example.source = static_cast<int64_t>(number);
  return example;
}

// Log-probabilities of the predicted tokens, written to the scores of their texts in the order of the texts.
void collect(const Plan& plan, const DevicePlan& device, const at::Tensor& nll_M, const std::vector<size_t>& numbers,
             std::vector<TextScore>& scores) {
  const at::Tensor place_M = device.plan_index_N.index_select(0, device.supervised_M).cpu();
  const at::Tensor nll = nll_M.to(at::kDouble).cpu();
  std::map<int64_t, double> logprob_at;  // of what follows a packed token
  for (int64_t m = 0; m < place_M.size(0); ++m) logprob_at[place_M[m].item<int64_t>()] = -nll[m].item<double>();
  for (const PlanSequence& sequence : plan.sequences) {
    std::vector<double>& logprobs = scores[numbers[static_cast<size_t>(sequence.example)]].logprobs;
    const auto end = logprob_at.lower_bound(sequence.end);
    for (auto it = logprob_at.lower_bound(sequence.begin); it != end; ++it) logprobs.push_back(it->second);
  }
}

// By teacher-forced passes.
std::vector<TextScore> scores_of(const InferenceModel& model, const Method* method,
                                 const std::vector<ScoreRequest>& requests, int64_t batch_size) {
  std::vector<TextScore> scores(requests.size());
  std::vector<Example> batch;
  std::vector<size_t> numbers;  // of the batch's texts
  const auto flush = [&] {
    if (batch.empty()) return;
    if (method != nullptr) {
      measure_uncertainty(model.decoder(), method, model.boundaries, model.trigger, model.eos_ids, batch_size, batch);
    }
    const Plan plan = plan_for(method, batch, model.boundaries, model.trigger, model.eos_ids);
    const DevicePlan device = to_device(plan, model.decoder().embedding.device());
    within_memory(
        model.device_name(), inference_remedies(), [&] { return scoring_memory(model, method, device); },
        [&] { collect(plan, device, teacher_forced(model.decoder(), method, device, {}).nll_M, numbers, scores); });
    batch.clear();
    numbers.clear();
  };
  for (size_t i = 0; i < requests.size(); ++i) {
    if (static_cast<int64_t>(requests[i].ids.size()) <= requests[i].first) continue;  // nothing is predicted
    batch.push_back(make_example(requests[i], i));
    numbers.push_back(i);
    if (static_cast<int64_t>(batch.size()) == batch_size) flush();
  }
  flush();
  return scores;
}

// A prompt's own tokens are predicted before the first call, by the decoder alone; the rest by writing it.
std::vector<TextScore> gated_scores(const InferenceModel& model, const std::vector<ScoreRequest>& requests,
                                    int64_t batch_size) {
  std::vector<ScoreRequest> prompts = requests;
  for (ScoreRequest& one : prompts) {
    one.ids.resize(static_cast<size_t>(one.prompt_length));
    const bool calls_inside = model.trigger.inside_prompt || model.trigger.before_boundary_token;
    if (one.first >= one.prompt_length || !calls_inside) continue;
    fail_usage({.what = "a gated method that may be called inside a prompt cannot score the prompt's tokens",
                .where = "--latent",
                .expected = "latent.trigger.inside_prompt: false and latent.rewrite_at: after_newline, or texts "
                            "without scored prompts"});
  }
  std::vector<TextScore> scores = scores_of(model, nullptr, prompts, batch_size);
  const std::vector<TextScore> responses = decoded_scores(model, requests, batch_size);
  for (size_t i = 0; i < scores.size(); ++i)
    scores[i].logprobs.insert(scores[i].logprobs.end(), responses[i].logprobs.begin(), responses[i].logprobs.end());
  return scores;
}

}  // namespace

double TextScore::sum() const { return std::accumulate(logprobs.begin(), logprobs.end(), 0.0); }

double TextScore::perplexity() const {
  if (logprobs.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::exp(-sum() / static_cast<double>(logprobs.size()));
}

std::vector<TextScore> score(const InferenceModel& model, const std::vector<ScoreRequest>& requests,
                             int64_t batch_size) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < requests.size(); ++i) check_request(model, requests[i], i);
  warn_beyond_context(model, requests);
  if (is_gated(model.method())) return gated_scores(model, requests, batch_size);
  return scores_of(model, model.method(), requests, batch_size);
}

}  // namespace bt
