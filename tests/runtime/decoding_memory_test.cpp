#include "bt/runtime/decoding_memory.h"

#include <gtest/gtest.h>

#include "bt/runtime/tensor_memory.h"
#include "support/tiny.h"

namespace bt {
namespace {

// Bytes that an engine takes by itself.
int64_t taken(const Decoder& decoder, const Method* method, const DecodingShape& shape) {
  const BoundaryTable table = testing::tiny_table();
  std::unique_ptr<Decoding> engine;
  return tensor_memory([&] {
           engine = std::make_unique<Decoding>(decoder, method, table, TriggerOptions{}, std::vector<int32_t>{}, shape,
                                               sampler({}));
         })
      .left;
}

TEST(DecodingMemory, IsWhatTheEngineTakes) {
  const ModelConfig config = testing::tiny_config();
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const Backbone backbone = testing::tiny_backbone(config, false, dtype);
    const auto method = make_method("bt", testing::tiny_bt(), testing::tiny_context(config, dtype));
    for (const bool fixed : {false, true}) {
      const DecodingShape shape{.slots = 5, .capacity = 37, .fixed_steps = fixed};
      const DecodingMemory alone = decoding_memory(backbone.decoder, nullptr, shape),
                           with = decoding_memory(backbone.decoder, method.get(), shape);
      EXPECT_EQ(taken(backbone.decoder, nullptr, shape), alone.cache + alone.step);
      EXPECT_EQ(taken(backbone.decoder, method.get(), shape), with.cache + with.queries + with.step);
      EXPECT_EQ(alone.added(), 0);
      EXPECT_GT(with.method, method->parameters()->count() * static_cast<int64_t>(c10::elementSize(dtype)));
    }
  }
}

// 16 layers, 32 heads of 64 numbers, 64 slots that keep 64 queries and one more: 4 MiB each in bfloat16, and 0.125 MiB
// of log-sum-exps.
TEST(DecodingMemory, OfALargeModelNeedsNoMemory) {
  ModelConfig config = testing::tiny_config(16);
  config.heads = 32;
  config.kv_heads = 8;
  config.head_dim = 64;
  const MethodContext nowhere{.model = config, .options = c10::TensorOptions(at::kBFloat16).device(at::kMeta)};
  const Backbone backbone = make_backbone(config, nowhere.options, 1, false);
  const auto method = make_method("bt", BtOptions(), nowhere);
  const DecodingMemory memory = decoding_memory(backbone.decoder, method.get(), {.slots = 64, .capacity = 1024});
  EXPECT_EQ(memory.queries, 65 * ((int64_t{4} << 20) + (int64_t{1} << 17)));
  EXPECT_EQ(memory.cache, (int64_t{2} << 30) + 16 * 64 * (1024 + 1) * 8);
}

}  // namespace
}  // namespace bt
