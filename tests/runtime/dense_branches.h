// Training on branches the slow way: one text at a time, everything under one dense mask.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "bt/data/plan.h"
#include "bt/model/decoder.h"
#include "support/dense_attention.h"

namespace bt::testing {

// A coprocessor's parts: layers and last norm, soft tokens, scale, and what turns its width into the decoder's (or
// undefined).
struct CoprocessorParts {
  Decoder layers;
  at::Tensor soft_MC, scale, output;
};

struct TextCache {
  std::vector<at::Tensor> k_TGD, v_TGD;
};

inline at::Tensor in_window(const at::Tensor& visible_NT, const at::Tensor& position_N, const at::Tensor& position_T,
                            int64_t window) {
  if (window == 0) return visible_NT;
  return visible_NT.logical_and(position_N.unsqueeze(1) - position_T.unsqueeze(0) < window);
}

// Runs rows x_NC behind a cached text (rows of which `in_text_NT` says are seen), among themselves under own_NN.
inline at::Tensor run_behind(const Decoder& decoder, const TextCache& text, at::Tensor x_NC,
                             const at::Tensor& position_N, const at::Tensor& in_text_NT, const at::Tensor& own_NN,
                             TextCache* keep = nullptr) {
  const at::Tensor position_T = at::cat({at::arange(in_text_NT.size(1), at::kLong), position_N});
  const at::Tensor visible_NT = at::cat({in_text_NT, own_NN}, 1);
  const Rotary angles = rotary(decoder.config, position_N, x_NC.scalar_type());
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const AttentionSpec spec = decoder.attention(layer);
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    at::Tensor k = qkv.k_NGD, v = qkv.v_NGD;
    if (keep != nullptr) {
      keep->k_TGD.push_back(k);
      keep->v_TGD.push_back(v);
    } else {
      k = at::cat({text.k_TGD[static_cast<size_t>(layer)], k});
      v = at::cat({text.v_TGD[static_cast<size_t>(layer)], v});
    }
    x_NC = finish_layer(
        decoder, layer, x_NC,
        dense_attention(qkv.q_NHD, k, v, in_window(visible_NT, position_N, position_T, spec.window), spec));
  }
  return x_NC;
}

inline at::Tensor long_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

// Negative log-likelihood of every ahead token, [branches, ahead]; what stands behind the text's end is token 0.
inline at::Tensor dense_branch_losses(const Decoder& decoder, const CoprocessorParts& coprocessor,
                                      const std::vector<int32_t>& ids, const std::vector<PlanBranch>& branches,
                                      const BranchShape& shape) {
  const auto tokens = static_cast<int64_t>(ids.size()), count = static_cast<int64_t>(branches.size());
  const at::Tensor id_T = at::tensor(at::ArrayRef<int32_t>(ids)).to(at::kLong), row_T = at::arange(tokens, at::kLong);
  TextCache text;
  {
    at::NoGradGuard frozen;
    run_behind(decoder, {}, embed(decoder, id_T), row_T, at::empty({tokens, 0}, at::kBool),
               row_T.unsqueeze(0) <= row_T.unsqueeze(1), &text);
  }
  std::vector<int64_t> read, join, read_position, join_position, ahead_id;
  for (const PlanBranch& branch : branches) {
    const int64_t rows = shape.latents + shape.ahead;
    for (int64_t m = 0; m < shape.latents; ++m) {
      read.push_back(branch.read_end);
      read_position.push_back(branch.read_end + m);
    }
    for (int64_t s = 0; s < rows; ++s) {
      const bool back = s >= shape.latents && !shape.shifts_positions;
      join.push_back(branch.join_end);
      join_position.push_back(branch.join_end + s - (back ? shape.latents : 0));
    }
    for (int64_t a = 0; a < shape.ahead; ++a) {
      const int64_t at = branch.join_end + a;
      ahead_id.push_back(at < tokens ? ids[static_cast<size_t>(at)] : 0);
    }
  }
  const auto own = [&](int64_t rows) {
    const at::Tensor branch_N = at::arange(count, at::kLong).repeat_interleave(rows),
                     place_N = at::arange(rows, at::kLong).repeat({count});
    return (branch_N.unsqueeze(1) == branch_N.unsqueeze(0)).logical_and(place_N.unsqueeze(0) <= place_N.unsqueeze(1));
  };
  const auto before = [&](const std::vector<int64_t>& end_N) {
    return row_T.unsqueeze(0) < long_tensor(end_N).unsqueeze(1);
  };
  at::Tensor z_NC =
      final_hidden(coprocessor.layers, run_behind(coprocessor.layers, text, coprocessor.soft_MC.repeat({count, 1}),
                                                  long_tensor(read_position), before(read), own(shape.latents)));
  if (coprocessor.output.defined()) z_NC = at::linear(z_NC, coprocessor.output);
  const at::Tensor latents_RMC = (coprocessor.scale * z_NC).view({count, shape.latents, -1});
  const at::Tensor ahead_RAC = embed(decoder, long_tensor(ahead_id)).view({count, shape.ahead, -1});
  const at::Tensor x_NC = run_behind(decoder, text, at::cat({latents_RMC, ahead_RAC}, 1).flatten(0, 1),
                                     long_tensor(join_position), before(join), own(shape.latents + shape.ahead));
  const at::Tensor predicting_NC =
      x_NC.view({count, shape.latents + shape.ahead, -1}).narrow(1, shape.latents - 1, shape.ahead).flatten(0, 1);
  return logits(decoder, final_hidden(decoder, predicting_NC))
      .log_softmax(1)
      .gather(1, long_tensor(ahead_id).unsqueeze(1))
      .neg()
      .view({count, shape.ahead});
}

}  // namespace bt::testing
