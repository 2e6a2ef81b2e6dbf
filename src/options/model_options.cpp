#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/options/train_options.h"
#include "machine_options.h"

namespace bt {
namespace {

constexpr int64_t kMostHeadDim = 4096;

}  // namespace

// The ranges are those of parse_model_config, which scratch_config goes through.
void ModelOptions::fields(OptionFields& f) {
  constexpr double kMostWidth = 1 << 20, kMostTokens = 1 << 24;
  f.field("path", path, {.help = "Hugging Face folder; absent: the sizes below, from random weights"});
  load_field(f, load);
  f.field("tokenizer", tokenizer, {.help = "folder, file or \"bytes\"; absent: the tokenizer in model.path"});
  f.field("family", family, {.help = "decoder family", .choices = supported_model_types()});
  f.field("hidden_size", hidden_size, {.help = "width of the residual stream", .min = 1, .max = kMostWidth});
  f.field("intermediate_size", intermediate_size, {.help = "width of the feed-forward", .min = 1, .max = kMostWidth});
  f.field("layers", layers, {.help = "decoder layers", .min = 1, .max = 1024});
  f.field("heads", heads, {.help = "query heads", .min = 1, .max = 1024});
  f.field("kv_heads", kv_heads, {.help = "key/value heads; absent: heads", .min = 1, .max = 1024});
  f.field("head_dim", head_dim,
          {.help = "width of a head; absent: hidden_size / heads", .min = 2, .max = kMostHeadDim});
  f.field("max_position", max_position, {.help = "longest text, in tokens", .min = 1, .max = kMostTokens});
  f.field("rope_theta", rope_theta, {.help = "base of the rotary angles", .min = 1, .max = 1e12});
  f.field("rms_norm_eps", rms_norm_eps, {.help = "epsilon of the norms", .min = 1e-12, .max = 1});
  f.field("tie_word_embeddings", tie_word_embeddings, {.help = "output head and embedding share their weights"});
  f.field("initializer_range", initializer_range,
          {.help = "standard deviation of initial weights", .min = 0, .max = 100});
}

void ModelOptions::validate() const {
  const bool any_size = hidden_size || intermediate_size || layers || heads || kv_heads || head_dim;
  if (!path.empty()) {
    if (!any_size) return;
    fail_usage({.what = "model.path and sizes are both given",
                .where = "model",
                .expected = "a folder, or the sizes of a decoder from scratch",
                .found = str("path: ", path, ", and sizes"),
                .next_step = "remove one of them"});
  }
  if (!(hidden_size && intermediate_size && layers && heads) || tokenizer.empty()) {
    fail_usage({.what = "no model",
                .where = "model",
                .expected = "path: FOLDER, or tokenizer, hidden_size, intermediate_size, layers and heads",
                .found = any_size || !tokenizer.empty() ? "only some of them" : "none of them"});
  }
  if (!head_dim && *hidden_size % *heads != 0) {
    fail_usage({.what = "hidden_size is not divisible by heads",
                .where = "model.heads",
                .expected = str("a divisor of ", *hidden_size),
                .found = str(*heads),
                .next_step = "or give model.head_dim"});
  }
  const int64_t width = head_dim.value_or(*hidden_size / *heads);
  if (width % 2 != 0) {
    fail_usage({.what = "rotary positions need an even head width",
                .where = "model.head_dim",
                .expected = "an even number",
                .found = str(width)});
  }
  if (width > kMostHeadDim) {
    fail_usage({.what = "hidden_size makes the heads too wide",
                .where = "model.hidden_size",
                .expected = str("at most ", kMostHeadDim, " * heads"),
                .found = str(*hidden_size),
                .next_step = "or give model.head_dim"});
  }
  if (kv_heads && *heads % *kv_heads != 0) {
    fail_usage({.what = "heads is not a multiple of kv_heads",
                .where = "model.kv_heads",
                .expected = str("a divisor of ", *heads),
                .found = str(*kv_heads)});
  }
}

// What is not asked for is the family's default, as for a config.json that does not say.
ModelConfig ModelOptions::scratch_config(const Tokenizer& vocabulary) const {
  BT_ASSERT(from_scratch());
  const auto id = [](const std::optional<int32_t>& value) { return value ? Json(*value) : Json(); };
  Json json = Json::object({{"model_type", family},
                            {"vocab_size", vocabulary.vocab_size()},
                            {"hidden_size", *hidden_size},
                            {"intermediate_size", *intermediate_size},
                            {"num_hidden_layers", *layers},
                            {"num_attention_heads", *heads},
                            {"num_key_value_heads", kv_heads.value_or(*heads)},
                            {"head_dim", head_dim.value_or(*hidden_size / *heads)},
                            {"max_position_embeddings", max_position},
                            {"rms_norm_eps", rms_norm_eps},
                            {"rope_theta", rope_theta},
                            {"tie_word_embeddings", tie_word_embeddings},
                            {"initializer_range", initializer_range},
                            {"bos_token_id", id(vocabulary.bos_id())},
                            {"eos_token_id", id(vocabulary.eos_id())},
                            {"pad_token_id", id(vocabulary.pad_id())}});
  return parse_model_config(json, "model");
}

}  // namespace bt
