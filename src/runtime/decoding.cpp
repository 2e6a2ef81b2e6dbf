#include "bt/runtime/decoding.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "boundary_event.h"
#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/runtime/uncertainty.h"
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

// One slot's way through its prompt: runs of tokens that end at a cut, where a rewrite lands, or with the prompt.
struct PromptWalk {
  int64_t slot = 0;
  std::vector<int64_t> cuts, ends;
  int64_t fed = 0;
  size_t next = 0;  // of the ends
};

PromptWalk make_walk(int64_t slot, std::vector<int64_t> cuts, int64_t prompt, int64_t lag) {
  PromptWalk walk{slot, std::move(cuts), {prompt}};
  for (const int64_t cut : walk.cuts) {
    walk.ends.push_back(cut);
    if (lag > 0 && cut + lag < prompt) walk.ends.push_back(cut + lag);
  }
  std::sort(walk.ends.begin(), walk.ends.end());
  walk.ends.erase(std::unique(walk.ends.begin(), walk.ends.end()), walk.ends.end());
  return walk;
}

void check(const DecodingRequest& request, const Decoding::State& state) {
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  if (prompt == 0)
    fail_usage(
        {.what = "the prompt has no tokens", .where = str("request ", request.id), .expected = "at least one token"});
  const int64_t capacity = state.cache.capacity();
  if (prompt > capacity || request.max_new_tokens > capacity - prompt) {
    fail_usage({.what = "prompt and answer do not fit into the cache",
                .where = str("request ", request.id),
                .expected = str("at most ", capacity, " tokens"),
                .found = str(prompt, " + ", request.max_new_tokens),
                .next_step = "shorten the prompt or lower the number of new tokens"});
  }
  check_length(state.decoder.config, prompt + request.max_new_tokens);
}

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

const std::vector<float>& Decoding::uncertainty(int64_t slot) const {
  return state_->slots.at(static_cast<size_t>(slot)).uncertainty;
}

void Decoding::release(int64_t slot) {
  state_->slots.at(static_cast<size_t>(slot)).live = false;
  state_->cache.clear_(slot);
  for (auto* layers : {&state_->rows, &state_->appended}) {
    for (auto& layer : *layers) layer[static_cast<size_t>(slot)] = 0;
  }
}

void Decoding::admit(const std::vector<DecodingRequest>& requests) {
  at::NoGradGuard no_grad;
  State& state = *state_;
  for (const DecodingRequest& request : requests) check(request, state);
  std::vector<PromptWalk> walks;
  int64_t at = 0;
  for (const DecodingRequest& request : requests) {
    const int64_t prompt = static_cast<int64_t>(request.prompt.size());
    while (at < static_cast<int64_t>(state.slots.size()) && state.slots[static_cast<size_t>(at)].live) ++at;
    BT_ASSERT(at < static_cast<int64_t>(state.slots.size()));
    release(at);
    Slot& slot = state.slots[static_cast<size_t>(at)];
    slot = Slot{};
    slot.live = true;
    slot.request = request;
    slot.scanner.emplace(state.table, state.trigger, state.eos_ids);
    if (state.effects.steer != nullptr)
      slot.steered.emplace(state.effects.steer->places(), state.table, state.trigger, state.eos_ids);
    walks.push_back(make_walk(at, prompt_cuts(slot, state.trigger), prompt, state.trigger.lag));
  }
  while (!walks.empty()) {
    std::vector<Chunk> chunks;
    std::vector<int64_t> acting;
    for (PromptWalk& walk : walks) {
      const std::vector<int32_t>& prompt = state.slots[static_cast<size_t>(walk.slot)].request.prompt;
      const int64_t end = walk.ends[walk.next++];
      const bool is_cut = std::binary_search(walk.cuts.begin(), walk.cuts.end(), end);
      chunks.push_back({walk.slot, {prompt.begin() + walk.fed, prompt.begin() + end}, is_cut});
      walk.fed = end;
      if (is_cut) acting.push_back(walk.slot);
    }
    state.feed(chunks);
    state.land_edits();
    state.act(acting);
    std::erase_if(walks, [&](const PromptWalk& walk) { return walk.next == walk.ends.size(); });
  }
}

at::Tensor Decoding::State::logits_of(const std::vector<int64_t>& at_slots) const {
  if (at_slots.size() == slots.size()) return logits_BV;
  const at::Tensor slot_A = at::tensor(at::ArrayRef<int64_t>(at_slots), at::kLong);
  return logits_BV.index_select(0, slot_A.to(logits_BV.device(), /*non_blocking=*/true));
}

void Decoding::State::act_on_entropy() {
  if (asks != Asks::entropy) return;
  std::vector<int64_t> judged, acting;
  for (size_t at = 0; at < slots.size(); ++at) {
    if (!slots[at].live || !slots[at].unjudged) continue;
    judged.push_back(static_cast<int64_t>(at));
  }
  if (judged.empty()) return;
  const std::vector<float> entropy = entropies(logits_of(judged));
  for (size_t i = 0; i < judged.size(); ++i) {
    Slot& slot = slots[static_cast<size_t>(judged[i])];
    slot.uncertainty.push_back(entropy[i]);
    if (slot.scanner->push(*std::exchange(slot.unjudged, {}), entropy[i])) acting.push_back(judged[i]);
  }
  act(acting);
}

std::vector<SlotReport> Decoding::step() {
  at::NoGradGuard no_grad;
  State& state = *state_;
  state.land_edits();
  state.act_on_entropy();
  state.join_latents();
  std::vector<LogitRow> live;
  std::vector<int64_t> live_slots;
  for (size_t i = 0; i < state.slots.size(); ++i) {
    const Slot& slot = state.slots[i];
    if (!slot.live) continue;
    live.push_back({static_cast<int64_t>(i), slot.request.id, slot.generated});
    live_slots.push_back(static_cast<int64_t>(i));
  }
  if (live.empty()) return {};
  const at::Tensor logits_AV = state.logits_of(live_slots);
  const std::vector<int32_t> chosen = state.choose(logits_AV, live);
  const std::vector<float> surprise =
      state.asks == Asks::surprise ? surprises(logits_AV, chosen) : std::vector<float>();

  std::vector<SlotReport> reports;
  std::vector<Chunk> chunks;
  std::vector<int64_t> act_before, act_after;
  for (size_t i = 0; i < live.size(); ++i) {
    Slot& slot = state.slots[static_cast<size_t>(live[i].slot)];
    SlotReport report{live[i].slot, live[i].request, chosen[i], Finish::none};
    ++slot.generated;
    const float uncertainty = surprise.empty() ? 0 : surprise[i];
    if (state.asks == Asks::surprise) slot.uncertainty.push_back(uncertainty);
    if (std::find(state.eos_ids.begin(), state.eos_ids.end(), chosen[i]) != state.eos_ids.end()) {
      report.finish = Finish::eos;
    } else if (slot.generated >= slot.request.max_new_tokens) {
      report.finish = Finish::length;
    } else {
      // What an entropy decides is known once the token has been fed.
      const bool acts = state.asks != Asks::entropy && slot.scanner->push(chosen[i], uncertainty);
      const bool is_before = state.trigger.before_boundary_token;
      if (state.asks == Asks::entropy) slot.unjudged = chosen[i];
      chunks.push_back({live[i].slot, {chosen[i]}, acts && !is_before});
      if (acts) (is_before ? act_before : act_after).push_back(live[i].slot);
    }
    reports.push_back(report);
  }
  state.act(act_before);
  state.feed_step(chunks);
  state.act(act_after);
  for (const SlotReport& report : reports) {
    if (report.finish != Finish::none) release(report.slot);
  }
  return reports;
}

}  // namespace bt
