// The decode engine's working state: slots, cache, and the queries of each slot's open step.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bt/model/kv_cache.h"
#include "bt/runtime/decoding.h"
#include "cache_events.h"
#include "event_step.h"
#include "steered_tokens.h"
#include "token_step.h"

namespace bt {

// What the trigger asks the model, known before the token loop.
enum class Asks { nothing, entropy, surprise };

// An edit of one slot that has not landed.
struct PendingEdit {
  std::vector<Edited> edited;  // by runs of layers
  int64_t begin = 0;           // tokens fed at its boundary
};

// Latents that another thread computes. Destroying them waits for it.
struct PendingLatents {
  std::future<at::Tensor> latents_MK;
  int64_t begin = 0;  // tokens fed when it started
};

struct Slot {
  bool live = false;
  DecodingRequest request;
  std::optional<BoundaryScanner> scanner;
  int64_t tokens = 0;    // fed so far, latents included
  int64_t position = 0;  // of the next token
  int64_t generated = 0;
  int64_t previous_cut = 0, events = 0;
  int64_t step_tokens = 0;  // of the open step, in the query ring
  at::Tensor hidden_K;  // of the last token fed, after the last norm, where latents go on from it or a gate reads it
  std::vector<int64_t> boundaries;
  std::vector<float> uncertainty;   // of the answer's tokens, where the trigger asks the model
  std::optional<int32_t> unjudged;  // the token last fed, where the prediction after it may be a boundary
  std::optional<PendingLatents> pending;
  std::optional<PendingEdit> pending_edit;
  std::optional<SteeredTokens> steered;  // of a steering method

  void advance(int64_t count) {
    tokens += count;
    position += count;
    step_tokens += count;
  }
};

// Tokens of one slot to run through the decoder; ids below 0 are latents.
struct Chunk {
  int64_t slot = 0;
  std::vector<int32_t> ids;
  bool acts_behind = false;  // the method acts after the last of them
};

struct Decoding::State {
  Decoder decoder;
  const Method* method;
  Effects effects;
  const BoundaryTable& table;
  TriggerOptions trigger;
  Asks asks;
  std::vector<int32_t> eos_ids;
  ChooseTokens choose;
  KvCache cache;
  std::vector<Slot> slots;
  std::vector<std::vector<int64_t>> rows;      // [layer][slot]: host mirror of the cache's lengths
  std::vector<std::vector<int64_t>> appended;  // likewise: rows in front that no token owns
  int64_t ring = 0;                            // newest queries kept per slot (R); 0: nobody votes
  QueryRing kept;
  at::Tensor logits_BV;                 // after the token last fed to every live slot
  std::vector<at::Tensor> parameters;   // stacked, without gradient
  std::optional<TokenStep> token_step;  // used where defined
  std::optional<EventStep> event_step;  // likewise
  Joining joining;                      // when latents from the cache enter
  at::Tensor latents_MC;                // of an appending method; where they come from the cache, those of this event

  State(const Decoder& decoder_in, const Method* method_in, const BoundaryTable& table_in,
        const TriggerOptions& trigger_in, std::vector<int32_t> eos_in, const DecodingShape& shape,
        ChooseTokens choose_in);

  // Feeds tokens: cache, ring and logits move on. One chunk per slot.
  void feed(const std::vector<Chunk>& chunks);
  // The same for one token of every live slot, as a step that a device can record where the method lets it.
  void feed_step(const std::vector<Chunk>& chunks);
  at::Tensor logits_of(const std::vector<int64_t>& at_slots) const;  // ascending; where they are all, no copy
  // Acts where the entropy after the token last fed is a boundary.
  void act_on_entropy();
  // The method acts on the slots' caches as they stand, where no gate keeps it from it.
  void act(const std::vector<int64_t>& fired);
  // Changed rows enter the slots' caches, in front of those of tokens.
  void append_rows(const std::vector<int64_t>& at_slots, const at::Tensor& slot_E, const Edited& edited);
  // What has waited for trigger.lag tokens takes effect.
  void land_edits();
  // The latents of a boundary: fed at once, or computed beside decoding until join_latents() feeds them.
  void append_latents(const std::vector<int64_t>& at_slots);
  void join_latents();
  // ExitCode::usage unless the cache has room for `rows_added` more rows of the slot, in all of these layers.
  void check_room(int64_t slot, int64_t rows_added, LayerRange layers) const;
  int64_t longest(LayerRange layers, const std::vector<int64_t>& at_slots) const;  // rows
  bool are_all(const std::vector<int64_t>& at_slots) const;                        // every slot, in order

 private:
  void land(const std::vector<int64_t>& at_slots, const Edited& edited);
  void join(const std::vector<int64_t>& at_slots);  // pending latents, waited for
  void roll_out(const std::vector<int64_t>& at_slots);
  void feed_latents(const std::vector<int64_t>& at_slots);  // latents_MC holds count() rows for each of the slots
};

// Whether the engine keeps every slot's last state: latents go on from it, or a gate reads it.
bool keeps_hidden(const Method* method);

// The embeddings of a method that knows them beforehand, [M, K].
at::Tensor known_latents(const Decoding::State& state);

}  // namespace bt
