#include "bt/train/calibration.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

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

// Runs the plain decoder; `look` sees every layer's input and what the layer makes of it.
template <class Look>
void for_each_layer(const Decoder& decoder, const Packed& packed, const Look& look) {
  const Rotary angles = rotary(decoder.config, packed.position_N, decoder.embedding.scalar_type());
  at::Tensor x_NC = embed(decoder, packed.id_N);
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer) {
    const Qkv qkv = project_qkv(decoder, layer, x_NC, angles);
    look(layer, x_NC, qkv);
    x_NC = finish_layer(decoder, layer, x_NC, attend(packed, qkv, decoder.attention(layer)));
  }
}

// The stream at every text's last token, or its mean over the response: [texts, C].
at::Tensor row_per_text(const at::Tensor& x_NC, const Packed& packed, const std::vector<Example>& texts, bool last) {
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < texts.size(); ++i) {
    const int64_t end = packed.begin[i + 1], response = packed.begin[i] + texts[i].prompt_length;
    rows.push_back(x_NC.slice(0, last ? end - 1 : std::min(response, end - 1), end).mean(0));
  }
  return at::stack(rows);
}

// By layer, [texts, C].
std::vector<at::Tensor> streams(const Decoder& decoder, const std::vector<Example>& texts, bool last) {
  constexpr size_t kTogether = 64;
  std::vector<std::vector<at::Tensor>> parts(static_cast<size_t>(decoder.config.layers));
  for (size_t begin = 0; begin < texts.size(); begin += kTogether) {
    const auto at = [&](size_t index) {
      return texts.begin() + static_cast<std::ptrdiff_t>(std::min(index, texts.size()));
    };
    const std::vector<Example> some(at(begin), at(begin + kTogether));
    const Packed packed = pack(some, decoder.embedding.device());
    for_each_layer(decoder, packed, [&](int64_t layer, const at::Tensor& x_NC, const Qkv& /*qkv*/) {
      parts[static_cast<size_t>(layer)].push_back(row_per_text(x_NC, packed, some, last));
    });
  }
  std::vector<at::Tensor> out;
  for (const std::vector<at::Tensor>& layer : parts) out.push_back(at::cat(layer));
  return out;
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
  for_each_layer(decoder, packed, [&](int64_t layer, const at::Tensor& /*x_NC*/, const Qkv& qkv) {
    method.calibrate(layer, qkv.k_NGD.index_select(0, chosen), qkv.v_NGD.index_select(0, chosen));
  });
}

void measure_contrast(Method& method, const Decoder& decoder, const std::vector<Example>& positive,
                      const std::vector<Example>& negative) {
  const auto contrast = method.contrast();
  if (!contrast) return;
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> towards = streams(decoder, positive, contrast->last_token),
                                away = streams(decoder, negative, contrast->last_token);
  for (int64_t layer = 0; layer < decoder.config.layers; ++layer)
    method.measure_contrast(layer, towards[static_cast<size_t>(layer)], away[static_cast<size_t>(layer)]);
}

}  // namespace bt
