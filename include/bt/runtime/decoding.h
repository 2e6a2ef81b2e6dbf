// The decode engine: fixed slots, one token per live slot and step, the method acting at each sequence's own
// boundaries. Slots whose boundary falls on the same step are acted on as one batch, as many layers at once as leave
// what is made on the way small.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "bt/latent/method.h"
#include "bt/model/decoder.h"
#include "bt/runtime/sampling.h"
#include "bt/text/boundaries.h"

namespace bt {

struct DecodingShape {
  int64_t slots = 8;
  int64_t capacity = 1024;  // cache rows per slot: prompt, new tokens and latents
  // All slots take part in every token's step, in shapes that do not change: what a GPU records as one launch, and does
  // always. On a CPU idle slots then cost as much as live ones.
  bool fixed_steps = false;
  bool joins_at_once = false;  // latents enter at their boundary, as in training, whatever the method's joining() says
};

struct DecodingRequest {
  uint64_t id = 0;              // keys the random numbers of what is drawn for this request
  std::vector<int32_t> prompt;  // at least one token
  int64_t max_new_tokens = 256;
  std::optional<int64_t> source;  // keys those of the method, as Example::key() does in training; the id without it
};

enum class Finish { none, eos, length };

// What happened to a live slot in one step.
struct SlotReport {
  int64_t slot = 0;
  uint64_t request = 0;
  int32_t token = -1;            // the new token; an end token is not part of the answer
  Finish finish = Finish::none;  // the slot is free again unless none
};

// Picks the next token of every row of logits_AV (A live slots, listed by request id and tokens generated so far). A
// device must have done what it was asked for when the tokens are returned, as it has where they come from its logits:
// the host then writes what the next step reads.
struct LogitRow {
  int64_t slot;
  uint64_t request;
  int64_t generated;
};
using ChooseTokens =
    std::function<std::vector<int32_t>(const at::Tensor& logits_AV, const std::vector<LogitRow>& rows)>;
ChooseTokens sampler(const SamplingOptions& options);

class Decoding {
 public:
  struct State;  // private to the engine's source files

  // Keeps references to decoder, method and table: they must outlive it. `method` may be null.
  Decoding(const Decoder& decoder, const Method* method, const BoundaryTable& table, const TriggerOptions& trigger,
           std::vector<int32_t> eos_ids, const DecodingShape& shape, ChooseTokens choose);
  ~Decoding();

  int64_t free_slots() const;
  bool idle() const;  // no live slot
  // Prefills the prompts, side by side, acting at their boundaries. At most free_slots() requests. ExitCode::usage,
  // before any is taken, when a prompt is empty or prompt + new tokens exceed the capacity. Rows that the method adds
  // are counted as they come: where they leave no room, admit() or step() ends with ExitCode::usage.
  void admit(const std::vector<DecodingRequest>& requests);
  // One token for every live slot.
  std::vector<SlotReport> step();
  void release(int64_t slot);  // gives up a live slot

  // Of the slot's current or last request: places in the sequence (tokens before the cut) where the method acted.
  const std::vector<int64_t>& boundaries(int64_t slot) const;
  // Of the same request, where the trigger asks the model: what it found at each token of the answer so far. An entropy
  // is known one step later than its token, a surprise at once.
  const std::vector<float>& uncertainty(int64_t slot) const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace bt
