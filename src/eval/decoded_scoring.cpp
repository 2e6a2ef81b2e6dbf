#include "decoded_scoring.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "bt/runtime/decoding.h"

namespace bt {
namespace {

int64_t response_length(const ScoreRequest& request) {
  return static_cast<int64_t>(request.ids.size()) - request.prompt_length;
}

int64_t capacity_for(const InferenceModel& model, const std::vector<ScoreRequest>& requests) {
  int64_t rows = 0;
  for (const ScoreRequest& one : requests) {
    const int64_t latents = model.latent_rows(one.prompt_length, response_length(one));
    rows = std::max(rows, static_cast<int64_t>(one.ids.size()) + latents);
  }
  return rows;
}

DecodingRequest to_write(const ScoreRequest& request, size_t number) {
  return {number, {request.ids.begin(), request.ids.begin() + request.prompt_length}, response_length(request)};
}

}  // namespace

std::vector<TextScore> decoded_scores(const InferenceModel& model, const std::vector<ScoreRequest>& requests,
                                      int64_t slots) {
  std::vector<TextScore> scores(requests.size());
  const ChooseTokens given = [&](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
    const at::Tensor logprob_AV = logits_AV.to(at::promote_types(logits_AV.scalar_type(), at::kFloat)).log_softmax(1);
    std::vector<int32_t> ids;
    for (size_t a = 0; a < rows.size(); ++a) {
      const ScoreRequest& request = requests[rows[a].request];
      const int64_t place = request.prompt_length + rows[a].generated;
      ids.push_back(request.ids[static_cast<size_t>(place)]);
      if (place >= request.first)
        scores[rows[a].request].logprobs.push_back(logprob_AV[static_cast<int64_t>(a)][ids.back()].item<double>());
    }
    return ids;
  };
  // No end tokens: a text goes on behind one.
  Decoding engine(model.decoder(), model.method(), model.boundaries, model.trigger, {},
                  {.slots = slots, .capacity = capacity_for(model, requests), .joins_at_once = true}, given);
  for (size_t next = 0; next < requests.size() || !engine.idle();) {
    std::vector<DecodingRequest> admitted;
    for (int64_t free = engine.free_slots(); free > 0 && next < requests.size(); ++next) {
      if (response_length(requests[next]) == 0) continue;
      admitted.push_back(to_write(requests[next], next));
      --free;
    }
    if (!admitted.empty()) engine.admit(admitted);
    engine.step();
  }
  return scores;
}

}  // namespace bt
