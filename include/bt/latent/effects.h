// What a method may do to a decoder's cache: the five effects the engines know. A method is a set of pure functions of
// a batch of boundary events; the engine chooses the batch (docs/architecture.md).
//
// Axes: Y layers of the call (1 in training, some or all in decoding), E events, W chosen rows, T cached rows,
// C = 2 G D (keys, then values, of all heads), M latents, K width of the model.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/TensorBody.h>
#include <c10/util/ArrayRef.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bt/data/branches.h"
#include "bt/model/decoder.h"
#include "bt/ops/kv_view.h"

namespace bt {

// The most rows that an event's cache and its last step can have, known to the host.
struct RowBounds {
  int64_t rows = 0, step = 0;
};

// The cache of a batch of events as row choosers see it; events of several layers stand side by side, layer by layer.
// No gradient.
struct EventRows {
  at::Tensor mass_ET;               // attention mass of every row, fp32 or fp64
  at::Tensor k_BGTD, place_E;       // keys as a KvView has them: keys_EGTD of row_choice.h
  at::Tensor rows_E;                // int64: entries in the cache
  at::Tensor step_begin_E;          // int64: first row of the step just written
  at::Tensor position_ET;           // int64
  at::Tensor alive_ET;              // bool or undefined: rows not evicted
  at::Tensor source_E;              // int64: Example::key() or, in generation, id; keys random numbers
  at::Tensor ordinal_E;             // int64: boundary number within the sequence
  int64_t layer = 0, layers = 1;    // event e is of layer + e / (E / layers)
  int64_t window = 0;               // of these layers; rows the next token cannot see are never chosen
  std::vector<RowBounds> bounds_E;  // so that sizes need not wait for the device; empty: they must
};

enum class RowKind : int8_t { pad = 0, recent = 1, recalled = 2 };

// Rows chosen for rewriting: row -1 and kind pad where an event has fewer than W.
struct ChosenRows {
  at::Tensor rows_EW;  // int64, no row twice
  at::Tensor kind_EW;  // int8, RowKind
};

// What a rewrite reads.
struct Events {
  int64_t layer_begin = 0, layer_end = 0;  // Y = layer_end - layer_begin
  at::Tensor u_YEWC;                       // the chosen entries; zeros where padded
  at::Tensor position_YEW;                 // int64
  at::Tensor kind_YEW;                     // int8, RowKind
  at::Tensor mass_YEW;                     // attention mass of the chosen rows, as EventRows::mass_ET
  at::Tensor source_E;                     // int64: Example::key() or, in generation, id; keys random numbers
  at::Tensor ordinal_E;                    // int64: boundary number within the sequence
  // In training: what an event of a layer weighs in the mean over all those of the step. A method that learns when to
  // act then acts in proportion to its probability, and pays for it. 0: it acts or does not.
  double call_weight = 0;
};

// new = u + gate * delta.
struct Edit {
  at::Tensor delta_YEWC;  // zero where padded
  at::Tensor gate;        // broadcasts against delta, in [0, 1)
  at::Tensor call_YE{};   // probability of acting, no gradient; outside training 0 or 1. Undefined: it always acts
};

class Rewrite {
 public:
  virtual ~Rewrite() = default;
  // How many of the newest rows of a step vote for what is recalled; also the greatest number of recent rows.
  virtual int64_t recent_capacity() const = 0;
  // The most rows of one event. Needed where they are appended: the cache must hold them.
  virtual int64_t row_capacity() const;
  virtual ChosenRows choose(const EventRows& events) const = 0;
  // Whether choose (where it is given bounds) and edit do the same device work whatever the numbers in their tensors
  // and nothing on the host, in decoding, and nothing is chosen where a step is empty: then a device may record an
  // event and start it again.
  virtual bool is_recordable() const { return false; }
  // Differentiable in `parameters`: the method's layered parameters, [Y, ...] each.
  virtual Edit edit(const Events& events, at::TensorList parameters) const = 0;
};

// Hides rows from every later query: keep_ET bool, judged on the cache before any rewrite of the same event. Rows stay
// where they are under teacher forcing; decoding compacts.
class Evict {
 public:
  virtual ~Evict() = default;
  virtual int64_t voters() const = 0;
  virtual at::Tensor keep(const EventRows& events) const = 0;
};

// The frozen decoder's caches that a coprocessor reads, and R places to read them up to.
struct PrefixCache {
  std::vector<KvView> layers;  // one of every layer of the decoder, over the same sequences; no gradient
  at::Tensor sequence_R;       // int64, on the CPU
  at::Tensor end_R;            // int64, on the CPU: rows [0, end) of the sequence
  at::Tensor position_R;       // int64: of the first latent
};

// When latents from the cache enter in decoding: at once, or computed beside decoding and joined later, at positions
// that follow the tokens decoded meanwhile.
struct Joining {
  bool asynchronous = false;
  int64_t after = -1;  // tokens after the boundary; below 0: as soon as they are ready
};

// Whether a gate decides on calls from the decoder's last state, and what a call must gain in nats per token.
struct CallGate {
  bool learned = false;
  double cost = 0;
};

// Coconut's stages (arXiv 2412.06769, section 3): stage s drops the first s steps of an answer and appends s * per_step
// latents in their place. Off where stage_steps is 0: all latents, whole answers.
struct Curriculum {
  int64_t stage_steps = 0;  // training steps a stage takes
  int64_t per_step = 1;     // latents a dropped step
  int64_t stages = 0;       // the last one
  int64_t stage(int64_t training_step) const { return std::min(stages, training_step / stage_steps); }
};

// Latents enter as embeddings after a boundary token and take positions of their own.
// known: learned. from_cache: computed from the cache as it stands. recurrent: each from the hidden state before it.
enum class AppendKind { known, from_cache, recurrent };
class Append {
 public:
  virtual ~Append() = default;
  virtual AppendKind kind() const = 0;
  virtual int64_t count() const = 0;
  // known: the M embeddings, [M, K], differentiable in `parameters` (the method's parameters without layers).
  virtual at::Tensor embeddings_MK(at::TensorList parameters) const;
  // from_cache: the latents of every place, [R, M, K]. Differentiable in the method's own parameters. `decoder`: the
  // frozen one whose caches these are.
  virtual at::Tensor latents_RMK(const Decoder& decoder, const PrefixCache& prefix) const;
  // recurrent: the next latent, [R, K], from the last layer's state of the token before it, after the last norm;
  // differentiable in the state and in `parameters`.
  virtual at::Tensor latent_RK(const at::Tensor& hidden_RK, at::TensorList parameters) const;
  // Training may begin with fewer latents and longer answers.
  virtual Curriculum curriculum() const { return {}; }
  // from_cache: where training leaves its texts.
  virtual BranchOptions branches() const;
  virtual Joining joining() const { return {}; }
  // from_cache with a learned gate: the logit of calling at every place, [R], from the decoder's last state there
  // (after the last norm). Differentiable in the gate. A call is made where it is at least 0.
  virtual CallGate gate() const { return {}; }
  virtual at::Tensor gate_R(const at::Tensor& hidden_RK) const;
};

// Which tokens are steered: those at which a boundary fires; those of the step after a boundary, up to its newline (the
// same as `after` where every step ends in a call); or every token after a sequence's first boundary.
enum class SteerPlaces { boundary_token, next_step, after };

// Adds a direction to the residual stream that enters a layer.
class Steer {
 public:
  virtual ~Steer() = default;
  virtual SteerPlaces places() const { return SteerPlaces::after; }
  // [K], differentiable in the layer's parameters; undefined: this layer is left alone.
  virtual at::Tensor direction_K(int64_t layer, at::TensorList parameters) const = 0;
};

struct Effects {
  const Rewrite* rewrite = nullptr;
  // The same edit, but the chosen rows stay and new = u + gate * delta become rows of their own at their positions,
  // seen by every later query and chosen like any other row. They lie in front of all rows of tokens, by event and in
  // the order chosen. Goes with no other effect.
  const Rewrite* append_rows = nullptr;
  const Evict* evict = nullptr;
  const Append* append = nullptr;
  const Steer* steer = nullptr;
  const Rewrite* edits() const { return rewrite != nullptr ? rewrite : append_rows; }
  bool any() const { return edits() != nullptr || evict != nullptr || append != nullptr || steer != nullptr; }
};

}  // namespace bt
