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

// The shape of Llama-3.2-1B, without its scaling of rotary angles.
ModelConfig llama_1b() {
  return parse_model_config(Json::object({{"model_type", "llama"},
                                          {"vocab_size", 128256},
                                          {"hidden_size", 2048},
                                          {"intermediate_size", 8192},
                                          {"num_hidden_layers", 16},
                                          {"num_attention_heads", 32},
                                          {"num_key_value_heads", 8},
                                          {"head_dim", 64},
                                          {"rope_theta", 500000.0},
                                          {"tie_word_embeddings", true},
                                          {"max_position_embeddings", 131072}}),
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

std::vector<int64_t> equal(int64_t steps, int64_t tokens) {
  return std::vector<int64_t>(static_cast<size_t>(steps), tokens);
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

Example bench_text(int64_t source, int64_t prompt, const std::vector<int64_t>& steps, int64_t vocabulary) {
  CounterRng rng(1, stream_id("bench"), static_cast<uint64_t>(source));
  Example out;
  out.source = source;
  out.prompt_length = prompt;
  const auto write = [&](int64_t tokens, bool is_response) {
    for (int64_t t = 0; t < tokens; ++t) {
      out.ids.push_back(static_cast<int32_t>(3 + rng.below(static_cast<uint64_t>(vocabulary - 3))));
      out.supervised.push_back(is_response ? 1 : 0);
    }
  };
  write(prompt, false);
  for (size_t i = 0; i < steps.size(); ++i) {
    write(steps[i], true);
    if (i + 1 < steps.size()) out.ids.back() = kBenchNewline;
  }
  return out;
}

BenchSize quickstart_size() {
  BenchSize size{"quickstart", "", decoder(1, 64, 4, 2, 176, 50), processor(48, 48, 4, 96), {}, 64, 3, {}};
  for (int64_t i = 0; i < size.sequences; ++i) {  // 2 to 4 steps, 31 to 49 tokens
    const int64_t steps = 2 + i % 3;
    size.batch.push_back(bench_text(i, 10 + 6 * steps, equal(steps + 1, size.step_tokens), size.model.vocab_size));
  }
  size.shape = shape_text(size);
  return size;
}

BenchSize gsm8k_like_size() {
  BenchSize size{"gsm8k_like", "", decoder(4, 256, 8, 4, 688, 2048), processor(32, 128, 8, 560), {}, 16, 25, {}};
  for (int64_t i = 0; i < size.sequences; ++i)
    size.batch.push_back(bench_text(i, 100, equal(6, size.step_tokens), size.model.vocab_size));
  size.shape = shape_text(size);
  return size;
}

// The paper's 128 places in 2,048 tokens, in texts of a quarter of that.
BenchSize plain_text_size() {
  constexpr int64_t tokens = 512;
  BenchSize size{"plain_text", "", decoder(4, 256, 8, 4, 688, 2048), {}, {}, 4, tokens, {}};
  size.coprocessor.places = 32;
  for (int64_t i = 0; i < size.sequences; ++i) {
    size.batch.push_back(bench_text(i, 0, {tokens}, size.model.vocab_size));
    size.batch.back().supervised.front() = 0;
  }
  const DcaOptions& dca = size.coprocessor;
  size.shape =
      str(decoder_text(size), "; ", dca.places, " places a text, ", dca.latents, " latents, ", dca.ahead, " ahead");
  return size;
}

BenchSize llama_1b_size(int64_t sequences, bool ragged) {
  BenchSize size{str("llama_1b_", sequences, ragged ? "_ragged" : ""), "", llama_1b(), {}, {}, sequences, 25, {}};
  size.processor.rows.recent = 25;
  for (int64_t i = 0; i < sequences; ++i) {
    CounterRng rng(2, stream_id("bench"), static_cast<uint64_t>(i));
    const auto drawn = [&](int64_t least, uint64_t most) {
      return least + static_cast<int64_t>(rng.below(most + 1 - static_cast<uint64_t>(least)));
    };
    std::vector<int64_t> steps = equal(ragged ? drawn(3, 8) : 10, size.step_tokens);
    const int64_t prompt = ragged ? drawn(40, 119) : 100;
    if (ragged) {
      for (int64_t& step : steps) step = drawn(15, 39);
    }
    size.batch.push_back(bench_text(i, prompt, steps, size.model.vocab_size));
  }
  size.shape = decoder_text(size);
  return size;
}

BoundaryTable bench_boundaries(const ModelConfig& model) {
  const std::vector<int32_t> newline{kBenchNewline};
  return BoundaryTable::from_ids(model.vocab_size, newline);
}

}  // namespace bt
