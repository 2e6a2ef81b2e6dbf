#include "bt/eval/generation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/eval/stop_scanner.h"
#include "bt/runtime/decoding.h"
#include "bt/text/tasks.h"

namespace bt {
namespace {

std::vector<size_t> longest_prompt_first(const std::vector<GenerationRequest>& requests) {
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return requests[a].prompt.size() > requests[b].prompt.size(); });
  return order;
}

DecodingShape shape_for(const InferenceModel& model, const std::vector<GenerationRequest>& requests, int64_t slots) {
  DecodingShape shape{.slots = std::min(slots, static_cast<int64_t>(requests.size())), .capacity = 0};
  for (const GenerationRequest& request : requests) {
    const auto prompt = static_cast<int64_t>(request.prompt.size());
    const int64_t text = checked_add(prompt, request.max_new_tokens, "cache rows of a sequence");
    const int64_t latents = model.latent_rows(prompt, request.max_new_tokens);
    shape.capacity = std::max(shape.capacity, checked_add(text, latents, "cache rows of a sequence"));
  }
  return shape;
}

// The list of requests on its way through the engine.
class Generation {
 public:
  Generation(const InferenceModel& model, const std::vector<GenerationRequest>& requests,
             const GenerationOptions& options, const GenerationEvents& events)
      : model_(model),
        requests_(requests),
        options_(options),
        events_(events),
        sampler_(sampler(options.sampling)),
        order_(longest_prompt_first(requests)),
        slots_(requests.size(), kNoSlot),
        completions_(requests.size()),
        stops_(requests.size(), StopScanner(options.stop)),
        engine_(model.decoder(), model.method(), model.boundaries, model.trigger, model.eos_ids,
                shape_for(model, requests, options.slots),
                [this](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
                  return choose(logits_AV, rows);
                }) {
    for (size_t i = 0; i < requests.size(); ++i) BT_ASSERT(index_.emplace(requests[i].id, i).second);
  }

  std::vector<Completion> run() {
    while (next_ < order_.size() || !engine_.idle()) {
      if (events_.interrupted && events_.interrupted()) break;
      refill();
      for (const SlotReport& report : engine_.step()) take(report);
    }
    for (size_t i = 0; i < requests_.size(); ++i) {
      if (completions_[i].finish == FinishReason::interrupted) complete(i, FinishReason::interrupted);
    }
    return std::move(completions_);
  }

 private:
  static constexpr int64_t kNoSlot = -1;

  void refill() {
    std::vector<DecodingRequest> admitted;
    for (int64_t free = engine_.free_slots(); free > 0 && next_ < order_.size(); --free, ++next_) {
      const GenerationRequest& request = requests_[order_[next_]];
      admitted.push_back({request.id, request.prompt, request.max_new_tokens});
    }
    if (!admitted.empty()) engine_.admit(admitted);
  }

  // A request's first row shows its slot, and how often the method has acted on the prompt.
  std::vector<int32_t> choose(const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
    for (const LogitRow& row : rows) {
      if (row.generated > 0) continue;
      const size_t i = index_.at(row.request);
      slots_[i] = row.slot;
      completions_[i].prompt_calls = static_cast<int64_t>(engine_.boundaries(row.slot).size());
    }
    const int64_t known = std::min(logits_AV.size(1), model_.tokenizer->vocab_size());  // a padded head has more rows
    return sampler_(logits_AV.narrow(1, 0, known), rows);
  }

  void take(const SlotReport& report) {
    const size_t i = index_.at(report.request);
    if (report.finish == Finish::eos) return complete(i, FinishReason::eos);
    completions_[i].ids.push_back(report.token);
    const std::string bytes = model_.tokenizer->token_bytes(report.token);
    if (events_.on_text) events_.on_text(i, bytes);
    const bool stopped = stops_[i].push(bytes);
    if (report.finish == Finish::length) return complete(i, stopped ? FinishReason::stop : FinishReason::length);
    if (!stopped) return;
    complete(i, FinishReason::stop);
    engine_.release(report.slot);
  }

  void complete(size_t i, FinishReason reason) {
    Completion& completion = completions_[i];
    completion.finish = reason;
    completion.text = cut_at_stops(model_.tokenizer->decode(completion.ids, true), options_.stop);
    if (slots_[i] != kNoSlot) completion.boundaries = engine_.boundaries(slots_[i]);
    if (reason != FinishReason::interrupted && events_.on_completion) events_.on_completion(i, completion);
  }

  const InferenceModel& model_;
  const std::vector<GenerationRequest>& requests_;
  const GenerationOptions& options_;
  const GenerationEvents& events_;
  ChooseTokens sampler_;
  std::vector<size_t> order_;                   // of admission
  size_t next_ = 0;                             // of order_
  std::unordered_map<uint64_t, size_t> index_;  // of a request by its id
  std::vector<int64_t> slots_;
  std::vector<Completion> completions_;
  std::vector<StopScanner> stops_;
  Decoding engine_;
};

}  // namespace

std::string_view finish_name(FinishReason reason) {
  constexpr std::string_view kNames[] = {"eos", "stop", "length", "interrupted"};
  return kNames[static_cast<size_t>(reason)];
}

std::vector<Completion> generate(const InferenceModel& model, const std::vector<GenerationRequest>& requests,
                                 const GenerationOptions& options, const GenerationEvents& events) {
  if (requests.empty()) return {};
  return Generation(model, requests, options, events).run();
}

}  // namespace bt
