#include "bt/runtime/decoding.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "boundary_event.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "decoding_state.h"

namespace bt {
namespace {

// The places where a prompt is cut, ascending; advances the slot's scanner over it.
std::vector<int64_t> prompt_cuts(Slot& slot, const TriggerOptions& trigger) {
  std::vector<int64_t> cuts;
  const std::vector<int32_t>& prompt = slot.request.prompt;
  const int64_t back = trigger.before_boundary_token ? 1 : 0, length = static_cast<int64_t>(prompt.size());
  for (int64_t i = 0; i < length; ++i) {
    if (slot.scanner->push(prompt[static_cast<size_t>(i)])) cuts.push_back(i + 1 - back);
  }
  if (slot.scanner->begin_response()) cuts.push_back(length - back);
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  cuts.erase(std::remove(cuts.begin(), cuts.end(), 0), cuts.end());
  return cuts;
}

// One slot's way through its prompt: runs of tokens, each but the last followed by an event.
struct PromptWalk {
  int64_t slot = 0;
  std::vector<int64_t> cuts;
  int64_t fed = 0;
  size_t next = 0;
};

}  // namespace

ChooseTokens sampler(const SamplingOptions& options) {
  return [options](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
    std::vector<DrawKey> keys;
    for (const LogitRow& row : rows) keys.push_back({row.request, static_cast<uint64_t>(row.generated)});
    return sample(logits_AV, options, keys);
  };
}

Decoding::Decoding(const Decoder& decoder, const Method* method, const BoundaryTable& table,
                   const TriggerOptions& trigger, std::vector<int32_t> eos_ids, const DecodingShape& shape,
                   ChooseTokens choose)
    : state_(std::make_unique<State>(decoder, method, table, trigger, std::move(eos_ids), shape, std::move(choose))) {}

Decoding::~Decoding() = default;

int64_t Decoding::free_slots() const {
  return std::count_if(state_->slots.begin(), state_->slots.end(), [](const Slot& slot) { return !slot.live; });
}

bool Decoding::idle() const { return free_slots() == static_cast<int64_t>(state_->slots.size()); }

const std::vector<int64_t>& Decoding::boundaries(int64_t slot) const {
  return state_->slots.at(static_cast<size_t>(slot)).boundaries;
}

void Decoding::release(int64_t slot) {
  state_->slots.at(static_cast<size_t>(slot)).live = false;
  state_->cache.clear_(slot);
  for (auto& layer : state_->rows) layer[static_cast<size_t>(slot)] = 0;
}

void Decoding::admit(const std::vector<DecodingRequest>& requests) {
  at::NoGradGuard no_grad;
  State& state = *state_;
  std::vector<PromptWalk> walks;
  int64_t at = 0;
  for (const DecodingRequest& request : requests) {
    const int64_t prompt = static_cast<int64_t>(request.prompt.size());
    if (prompt == 0)
      fail_usage(
          {.what = "the prompt has no tokens", .where = str("request ", request.id), .expected = "at least one token"});
    if (prompt + request.max_new_tokens > state.cache.capacity()) {
      fail_usage({.what = "prompt and answer do not fit into the cache",
                  .where = str("request ", request.id),
                  .expected = str("at most ", state.cache.capacity(), " tokens"),
                  .found = str(prompt, " + ", request.max_new_tokens),
                  .next_step = "shorten the prompt or lower the number of new tokens"});
    }
    check_length(state.decoder.config, prompt + request.max_new_tokens);
    while (at < static_cast<int64_t>(state.slots.size()) && state.slots[static_cast<size_t>(at)].live) ++at;
    BT_ASSERT(at < static_cast<int64_t>(state.slots.size()));
    release(at);
    Slot& slot = state.slots[static_cast<size_t>(at)];
    slot = Slot{};
    slot.live = true;
    slot.request = request;
    slot.scanner.emplace(state.table, state.trigger, state.eos_ids);
    walks.push_back({at, prompt_cuts(slot, state.trigger)});
  }
  while (!walks.empty()) {
    std::vector<Chunk> chunks;
    std::vector<int64_t> acting;
    for (PromptWalk& walk : walks) {
      const std::vector<int32_t>& prompt = state.slots[static_cast<size_t>(walk.slot)].request.prompt;
      const bool cut = walk.next < walk.cuts.size();
      const int64_t end = cut ? walk.cuts[walk.next++] : static_cast<int64_t>(prompt.size());
      if (end > walk.fed) chunks.push_back({walk.slot, {prompt.begin() + walk.fed, prompt.begin() + end}});
      walk.fed = end;
      if (cut) acting.push_back(walk.slot);
    }
    state.feed(chunks);
    state.act(acting);
    std::erase_if(walks, [&](const PromptWalk& walk) {
      return walk.next == walk.cuts.size() &&
             walk.fed == static_cast<int64_t>(state.slots[static_cast<size_t>(walk.slot)].request.prompt.size());
    });
  }
}

std::vector<SlotReport> Decoding::step() {
  at::NoGradGuard no_grad;
  State& state = *state_;
  state.join_latents();
  std::vector<LogitRow> live;
  std::vector<at::Tensor> logits;
  for (size_t i = 0; i < state.slots.size(); ++i) {
    const Slot& slot = state.slots[i];
    if (!slot.live) continue;
    live.push_back({static_cast<int64_t>(i), slot.request.id, slot.generated});
    logits.push_back(slot.logits_V);
  }
  if (live.empty()) return {};
  const std::vector<int32_t> chosen = state.choose(at::stack(logits), live);

  std::vector<SlotReport> reports;
  std::vector<Chunk> chunks;
  std::vector<int64_t> act_before, act_after;
  for (size_t i = 0; i < live.size(); ++i) {
    Slot& slot = state.slots[static_cast<size_t>(live[i].slot)];
    SlotReport report{live[i].slot, live[i].request, chosen[i], Finish::none};
    ++slot.generated;
    if (std::find(state.eos_ids.begin(), state.eos_ids.end(), chosen[i]) != state.eos_ids.end()) {
      report.finish = Finish::eos;
    } else if (slot.generated >= slot.request.max_new_tokens) {
      report.finish = Finish::length;
    } else {
      chunks.push_back({live[i].slot, {chosen[i]}});
      if (slot.scanner->push(chosen[i]))
        (state.trigger.before_boundary_token ? act_before : act_after).push_back(live[i].slot);
    }
    reports.push_back(report);
  }
  state.act(act_before);
  state.feed(chunks);
  state.act(act_after);
  for (const SlotReport& report : reports) {
    if (report.finish != Finish::none) release(report.slot);
  }
  return reports;
}

}  // namespace bt
