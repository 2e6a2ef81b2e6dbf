// A step of running texts, token by token: tokens per second, the share of the copy bandwidth, and what a boundary adds
// to it. "time x" less 1 is a boundary's share of the step.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "bench.h"
#include "bench_models.h"
#include "bt/core/strings.h"
#include "bt/runtime/decoding.h"
#include "bt/runtime/tensor_memory.h"

namespace bt {
namespace {

struct Texts {
  int64_t count = 1, context = 300;  // tokens before the step
  int64_t step_tokens = 25;
};

// Whether every text's boundary falls on the step's last token, or those of the texts on all its tokens in turn.
enum class Boundaries { none, together, spread };

// Greedy tokens, but for the newlines; the work of choosing is done.
ChooseTokens tokens_of(const Texts& texts, Boundaries boundaries) {
  return [=, greedy = sampler({})](const at::Tensor& logits_AV, const std::vector<LogitRow>& rows) {
    std::vector<int32_t> ids = greedy(logits_AV, rows);
    for (size_t a = 0; a < rows.size(); ++a) {
      const int64_t lead = boundaries == Boundaries::spread ? rows[a].slot * texts.step_tokens / texts.count : 0;
      ids[a] = (rows[a].generated + 1 + lead) % texts.step_tokens == 0 ? kBenchNewline : 5;
    }
    return ids;
  };
}

// An engine whose texts are begun anew before every step that is timed.
class Writing {
 public:
  Writing(std::shared_ptr<const Backbone> backbone, const BtOptions& processor, const Texts& texts,
          Boundaries boundaries)
      : backbone_(std::move(backbone)), texts_(texts) {
    const Decoder& decoder = backbone_->decoder;
    if (boundaries != Boundaries::none) method_ = make_method("bt", processor, {decoder.config, decoder.options(), 1});
    table_ = bench_boundaries(decoder.config);
    engine_.emplace(decoder, method_.get(), table_, TriggerOptions{}, std::vector<int32_t>{},
                    DecodingShape{.slots = texts.count, .capacity = texts.context + texts.step_tokens + 1},
                    tokens_of(texts, boundaries));
  }

  void begin() {
    constexpr int64_t kPrefillTokens = 16384;  // of texts prefilled side by side
    for (int64_t slot = 0; slot < texts_.count; ++slot) engine_->release(slot);
    const int64_t side_by_side = std::max<int64_t>(1, kPrefillTokens / texts_.context);
    std::vector<DecodingRequest> requests;
    for (int64_t i = 0; i < texts_.count; ++i) {
      requests.push_back({static_cast<uint64_t>(i),
                          bench_text(i, texts_.context, {}, backbone_->decoder.config.vocab_size).ids,
                          texts_.step_tokens + 1});
      if (static_cast<int64_t>(requests.size()) < side_by_side && i + 1 < texts_.count) continue;
      engine_->admit(requests);
      requests.clear();
    }
  }
  void step() {
    for (int64_t token = 0; token < texts_.step_tokens; ++token) engine_->step();
  }

 private:
  std::shared_ptr<const Backbone> backbone_;
  Texts texts_;
  std::unique_ptr<Method> method_;
  BoundaryTable table_;
  std::optional<Decoding> engine_;
};

// What a token must read: every weight (of a table of embeddings that is no head a row), and the texts' caches.
double bytes_of_a_token(const Backbone& backbone, const Texts& texts) {
  const Decoder& decoder = backbone.decoder;
  const ModelConfig& m = decoder.config;
  const double embedding = m.tie_word_embeddings ? 0 : static_cast<double>(decoder.embedding.nbytes());
  const double row = 2.0 * static_cast<double>(m.layers * m.kv_heads * m.head_dim * decoder.embedding.element_size());
  return static_cast<double>(backbone.parameters->flat().nbytes()) - embedding +
         row * static_cast<double>(texts.count * texts.context);
}

Variant variant(std::string name, const std::shared_ptr<const Backbone>& backbone, const BenchSize& size,
                const Texts& texts, Boundaries boundaries) {
  std::shared_ptr<Writing> writing;
  const TensorMemory made =
      tensor_memory([&] { writing = std::make_shared<Writing>(backbone, size.processor, texts, boundaries); });
  const auto steps = static_cast<double>(texts.step_tokens);
  return {.name = std::move(name),
          .run = [writing] { writing->step(); },
          .prepare = [writing] { writing->begin(); },
          .bytes = steps * bytes_of_a_token(*backbone, texts),
          .tokens = steps * static_cast<double>(texts.count),
          .held = static_cast<double>(made.left + static_cast<int64_t>(backbone->parameters->flat().nbytes()))};
}

Bench bench(const BenchSize& size, const std::string& model, const Texts& texts) {
  return {str("step/", model, "_", texts.count, "x", texts.context),
          str(size.model.layers, " layers of width ", size.model.hidden_size, ", ", texts.count, " texts of ",
              texts.context, " tokens, a step of ", texts.step_tokens, "; recall ", size.processor.rows.recall,
              ", recent ", size.processor.rows.recent),
          [size, texts](const c10::TensorOptions& options) {
            const auto backbone =
                std::make_shared<const Backbone>(make_backbone(size.model, options, 1, /*trainable=*/false));
            std::vector<Variant> all = {
                variant("the decoder alone", backbone, size, texts, Boundaries::none),
                variant("all boundaries together", backbone, size, texts, Boundaries::together)};
            if (texts.count > 1) all.push_back(variant("boundaries spread", backbone, size, texts, Boundaries::spread));
            return all;
          }};
}

}  // namespace

std::vector<Bench> boundary_benches(BenchScale scale) {
  std::vector<Bench> all;
  if (scale == BenchScale::small) {
    const BenchSize size = gsm8k_like_size();
    for (const Texts& texts : {Texts{1, 64, 8}, Texts{4, 64, 8}}) all.push_back(bench(size, size.name, texts));
    return all;
  }
  const BenchSize size = llama_1b_size(1, false);
  for (const Texts& texts : {Texts{1, 300}, Texts{1, 4096}, Texts{64, 300}, Texts{64, 4096}})
    all.push_back(bench(size, "llama_1b", texts));
  return all;
}

}  // namespace bt
