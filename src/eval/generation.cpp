#include "bt/eval/generation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "bt/core/checked.h"
#include "bt/core/error.h"
#include "bt/eval/stop_strings.h"
#include "bt/runtime/decoding.h"
#include "bt/text/streaming_decoder.h"
#include "bt/text/tasks.h"
#include "inference_memory.h"

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

// What a reader of one answer sees: whole characters, and no stop string.
class ShownText {
 public:
  ShownText(const Tokenizer& tokenizer, const std::vector<std::string>& stop) : decoder_(tokenizer), stops_(stop) {}
  std::string push(int32_t id) { return stops_.push(decoder_.push(id)); }
  std::string finish() {
    std::string rest = stops_.push(decoder_.finish());
    return stops_.stopped() ? rest : rest + stops_.finish();
  }

 private:
  StreamingDecoder decoder_;
  StopStrings stops_;
};

// The list of requests on its way through the engine.
class Generation {
 public:
  Generation(const InferenceModel& model, const std::vector<GenerationRequest>& requests,
             const GenerationOptions& options, const GenerationEvents& events)
      : model_(model),
        requests_(requests),
        options_(options),
        events_(events),
        order_(longest_prompt_first(requests)),
        slots_(requests.size(), kNoSlot),
        completions_(requests.size()),
        stops_(requests.size(), StopStrings(options.stop)),
        shown_(events.on_text ? requests.size() : 0),
        seen_(options.sampling.repetition_penalty != 1 ? requests.size() : 0),
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
    std::vector<DrawKey> keys;
    for (const LogitRow& row : rows) {
      const size_t i = index_.at(row.request);
      if (row.generated == 0) begin(i, row.slot);
      keys.push_back({row.request, static_cast<uint64_t>(row.generated), seen_.empty() ? nullptr : &seen_[i]});
    }
    return sample(logits_AV, options_.sampling, keys);
  }

  void begin(size_t i, int64_t slot) {
    slots_[i] = slot;
    completions_[i].prompt_calls = static_cast<int64_t>(engine_.boundaries(slot).size());
    if (!seen_.empty()) seen_[i].insert(requests_[i].prompt.begin(), requests_[i].prompt.end());
    if (!shown_.empty()) shown_[i] = std::make_unique<ShownText>(*model_.tokenizer, options_.stop);
  }

  void take(const SlotReport& report) {
    const size_t i = index_.at(report.request);
    if (report.finish == Finish::eos) return complete(i, FinishReason::eos);
    const bool stopped = is_stop_token(report.token) || add(i, report.token);
    if (!stopped && report.finish == Finish::none) return;
    complete(i, stopped ? FinishReason::stop : FinishReason::length);
    if (report.finish == Finish::none) engine_.release(report.slot);
  }

  bool is_stop_token(int32_t id) const {
    return std::find(options_.stop_tokens.begin(), options_.stop_tokens.end(), id) != options_.stop_tokens.end();
  }

  // True: the answer now holds a stop string.
  bool add(size_t i, int32_t id) {
    completions_[i].ids.push_back(id);
    if (!seen_.empty()) seen_[i].insert(id);
    if (!is_text(id)) return false;
    if (!shown_.empty()) show(i, shown_[i]->push(id));
    stops_[i].push(model_.tokenizer->token_bytes(id));
    return stops_[i].stopped();
  }

  // False for rows of a padded head that no token belongs to. They may win, as in transformers.
  bool is_text(int32_t id) const { return id < model_.tokenizer->vocab_size(); }

  std::string text_of(std::vector<int32_t> ids) const {
    std::erase_if(ids, [this](int32_t id) { return !is_text(id); });
    return model_.tokenizer->decode(ids, true);
  }

  void show(size_t i, const std::string& text) const {
    if (!text.empty()) events_.on_text(i, text);
  }

  void complete(size_t i, FinishReason reason) {
    Completion& completion = completions_[i];
    completion.finish = reason;
    if (!shown_.empty() && shown_[i] != nullptr) show(i, shown_[i]->finish());
    completion.text = cut_at_stops(text_of(completion.ids), options_.stop);
    if (slots_[i] != kNoSlot) completion.boundaries = engine_.boundaries(slots_[i]);
    if (reason != FinishReason::interrupted && events_.on_completion) events_.on_completion(i, completion);
  }

  const InferenceModel& model_;
  const std::vector<GenerationRequest>& requests_;
  const GenerationOptions& options_;
  const GenerationEvents& events_;
  std::vector<size_t> order_;                   // of admission
  size_t next_ = 0;                             // of order_
  std::unordered_map<uint64_t, size_t> index_;  // of a request by its id
  std::vector<int64_t> slots_;
  std::vector<Completion> completions_;
  std::vector<StopStrings> stops_;
  std::vector<std::unique_ptr<ShownText>> shown_;  // empty where nobody reads along
  std::vector<std::unordered_set<int32_t>> seen_;  // tokens of prompt and answer; empty without a penalty
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
  std::vector<Completion> completions;
  within_memory(
      model.device_name(), inference_remedies(),
      [&] { return generation_memory(model, shape_for(model, requests, options.slots)); },
      [&] { completions = Generation(model, requests, options, events).run(); });
  return completions;
}

}  // namespace bt
