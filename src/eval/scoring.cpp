#include "bt/eval/scoring.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/runtime/method_plan.h"
#include "bt/runtime/teacher_forced.h"
#include "bt/runtime/uncertainty.h"

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

}  // namespace

double TextScore::sum() const { return std::accumulate(logprobs.begin(), logprobs.end(), 0.0); }

double TextScore::perplexity() const {
  if (logprobs.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::exp(-sum() / static_cast<double>(logprobs.size()));
}

std::vector<TextScore> score(const InferenceModel& model, const std::vector<ScoreRequest>& requests,
                             int64_t batch_size) {
  at::NoGradGuard no_grad;
  std::vector<TextScore> scores(requests.size());
  std::vector<Example> batch;
  std::vector<size_t> numbers;  // of the batch's texts
  const auto flush = [&] {
    if (batch.empty()) return;
    measure_uncertainty(model.decoder(), model.method(), model.boundaries, model.trigger, model.eos_ids, batch_size,
                        batch);
    const Plan plan = plan_for(model.method(), batch, model.boundaries, model.trigger, model.eos_ids);
    const DevicePlan device = to_device(plan, model.decoder().embedding.device());
    collect(plan, device, teacher_forced(model.decoder(), model.method(), device, {}).nll_M, numbers, scores);
    batch.clear();
    numbers.clear();
  };
  for (size_t i = 0; i < requests.size(); ++i) {
    check_request(model, requests[i], i);
    if (static_cast<int64_t>(requests[i].ids.size()) <= requests[i].first) continue;  // nothing is predicted
    batch.push_back(make_example(requests[i], i));
    numbers.push_back(i);
    if (static_cast<int64_t>(batch.size()) == batch_size) flush();
  }
  flush();
  return scores;
}

}  // namespace bt
