#include "bench_models.h"

#include "bt/core/random.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

ModelConfig decoder(int64_t layers, int64_t width, int64_t heads, int64_t groups, int64_t inner, int64_t vocabulary) {
  return parse_model_config(Json::object({{"model_type", "llama"},
                                          {"vocab_size", vocabulary},
                                          {"hidden_size", width},
                                          {"intermediate_size", inner},
                                          {"num_hidden_layers", layers},
                                          {"num_attention_heads", heads},
                                          {"num_key_value_heads", groups},
                                          {"max_position_embeddings", 1024}}),
                            "bench");
}

BtOptions processor(int64_t recall, int64_t width, int64_t heads, int64_t inner) {
  BtOptions options;
  options.rows.recall = recall;
  options.width = width;
  options.heads = heads;
  options.feed_forward = inner;
  options.gate_init = 0;
  return options;
}

// A prompt, `steps` steps that end with a newline, and a last step without one.
Example example(int64_t source, int64_t prompt, int64_t steps, int64_t step_tokens, int64_t vocabulary) {
  CounterRng rng(1, stream_id("bench"), static_cast<uint64_t>(source));
  Example out;
  out.source = source;
  out.prompt_length = prompt;
  for (int64_t t = 0; t < prompt + (steps + 1) * step_tokens; ++t) {
    const bool ends_step =
        t >= prompt && (t - prompt + 1) % step_tokens == 0 && t + 1 < prompt + (steps + 1) * step_tokens;
    out.ids.push_back(ends_step ? kBenchNewline
                                : static_cast<int32_t>(3 + rng.below(static_cast<uint64_t>(vocabulary - 3))));
    out.supervised.push_back(t >= prompt ? 1 : 0);
  }
  return out;
}

std::string decoder_text(const BenchSize& size) {
  const ModelConfig& m = size.model;
  int64_t tokens = 0;
  for (const Example& one : size.batch) tokens += static_cast<int64_t>(one.ids.size());
  return str(m.layers, " layers of width ", m.hidden_size, ", ", m.heads, " heads, ", m.kv_heads,
             " groups, feed-forward ", m.intermediate_size, ", vocabulary ", m.vocab_size, "; ", size.sequences,
             " sequences, ", tokens, " tokens");
}

std::string shape_text(const BenchSize& size) {
  const BtOptions& p = size.processor;
  return str(decoder_text(size), "; recall ", p.rows.recall, ", recent ", p.rows.recent, ", processor ", p.width, " x ",
             p.feed_forward);
}

}  // namespace

BenchSize quickstart_size() {
  BenchSize size{"quickstart", "", decoder(1, 64, 4, 2, 176, 50), processor(48, 48, 4, 96), {}, 64, 3, {}};
  for (int64_t i = 0; i < size.sequences; ++i) {  // 2 to 4 steps, 31 to 49 tokens
    const int64_t steps = 2 + i % 3;
    size.batch.push_back(example(i, 10 + 6 * steps, steps, size.step_tokens, size.model.vocab_size));
  }
  size.shape = shape_text(size);
  return size;
}

BenchSize gsm8k_like_size() {
  BenchSize size{"gsm8k_like", "", decoder(4, 256, 8, 4, 688, 2048), processor(32, 128, 8, 560), {}, 16, 25, {}};
  for (int64_t i = 0; i < size.sequences; ++i)
    size.batch.push_back(example(i, 100, 5, size.step_tokens, size.model.vocab_size));
  size.shape = shape_text(size);
  return size;
}

// The paper's 128 places in 2,048 tokens, in texts of a quarter of that.
BenchSize plain_text_size() {
  constexpr int64_t tokens = 512;
  BenchSize size{"plain_text", "", decoder(4, 256, 8, 4, 688, 2048), {}, {}, 4, tokens, {}};
  size.coprocessor.places = 32;
  for (int64_t i = 0; i < size.sequences; ++i) {
    size.batch.push_back(example(i, 0, 0, tokens, size.model.vocab_size));
    size.batch.back().supervised.front() = 0;
  }
  const DcaOptions& dca = size.coprocessor;
  size.shape =
      str(decoder_text(size), "; ", dca.places, " places a text, ", dca.latents, " latents, ", dca.ahead, " ahead");
  return size;
}

BoundaryTable bench_boundaries(const ModelConfig& model) {
  const std::vector<int32_t> newline{kBenchNewline};
  return BoundaryTable::from_ids(model.vocab_size, newline);
}

}  // namespace bt
