// What the configuration classes of transformers keep to themselves: the defaults of each decoder family.
#pragma once

#include <cstdint>
#include <string_view>

namespace bt {

struct ModelFamily {
  std::string_view model_type;
  std::string_view architecture;  // transformers' class name
  bool tie_word_embeddings;
  bool has_bias_keys;       // reads attention_bias and mlp_bias
  bool has_sliding_window;  // reads sliding_window
  int64_t kv_heads;         // 0: as many as query heads
  int64_t max_position;
  int64_t sliding_window;  // when the key is absent
};

// nullptr for a family that is not supported.
const ModelFamily* find_model_family(std::string_view model_type);

}  // namespace bt
