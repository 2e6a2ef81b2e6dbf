#include "bt/train/calibration.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bt/core/error.h"
#include "bt/ops/ops.h"

namespace bt {
namespace {

// Examples end to end.
struct Packed {
  at::Tensor id_N, position_N;  // int64
  std::vector<int64_t> begin;   // of every example, and the end of the last
};

Packed pack(const std::vector<Example>& examples, at::Device device) {
  std::vector<int64_t> ids, positions;
  Packed packed;
  for (const Example& example : examples) {
    packed.begin.push_back(static_cast<int64_t>(ids.size()));
    ids.insert(ids.end(), example.ids.begin(), example.ids.end());
    for (size_t i = 0; i < example.ids.size(); ++i) positions.push_back(static_cast<int64_t>(i));
  }
  packed.begin.push_back(static_cast<int64_t>(ids.size()));
  packed.id_N = at::tensor(ids, at::kLong).to(device);
  packed.position_N = at::tensor(positions, at::kLong).to(device);
  return packed;
}

at::Tensor attend(const Packed& packed, const Qkv& qkv, const AttentionSpec& spec) {
  at::Tensor out_NHD = at::empty_like(qkv.q_NHD);
  for (size_t i = 0; i + 1 < packed.begin.size(); ++i) {
    const int64_t begin = packed.begin[i], count = packed.begin[i + 1] - begin;
    const auto one = [&](const at::Tensor& x) { return x.narrow(0, begin, count).unsqueeze(0); };
    const at::Tensor length_B = at::full({1}, count, packed.id_N.options());
    const KvView kv{
        one(qkv.k_NGD).transpose(1, 2), one(qkv.v_NGD).transpose(1, 2), length_B, one(packed.position_N), {}};
    out_NHD.narrow(0, begin, count)
        .copy_(ops::segment_attention(one(qkv.q_NHD), length_B, kv, spec).out_BSHD.squeeze(0));
  }
  return out_NHD;
}

}  // namespace

void calibrate(Method& method, const Decoder& decoder, const std::vector<Example>& examples) {
  if (!method.wants_calibration()) return;
  const at::NoGradGuard no_grad;
  const Packed packed = pack(examples, decoder.embedding.device());
  const at::Tensor chosen = packed.position_N.gt(0).nonzero().squeeze(1);
  if (chosen.numel() == 0) {
    fail_bad_file({.what = "no training example of two tokens to measure keys and values on", .where = "data.train"});
  }
  const Rotary angles = rotary(decoder.config, packed.position_N, decoder.embedding.scalar_type());
  at::Tensor x_NC = embed(decoder, packed.id_N);
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    method.calibrate(layer, qkv.k_NGD.index_select(0, chosen), qkv.v_NGD.index_select(0, chosen));
    x_NC = finish_layer(decoder, layer, x_NC, attend(packed, qkv, decoder.attention(layer)));
  }
}

}  // namespace bt
