// Making backbones, and their way to a Hugging Face folder and back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <list>

#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "format/format_test_support.h"
#include "model_test_support.h"

namespace bt {
namespace {

using test::expect_bad_file;
using test::small_config;
using test::TempFolder;

Backbone small_backbone(const ModelConfig& config = small_config(), at::ScalarType dtype = at::kFloat) {
  return make_backbone(config, dtype, 5, false);
}

TEST(MakeBackbone, FollowsTheConfig) {
  ModelConfig config = small_config();
  config.hidden_size = 96;
  config.intermediate_size = 200;
  config.layers = 8;
  config.window.assign(8, 0);
  config.qkv_bias = config.o_bias = true;
  const Backbone backbone = make_backbone(config, at::kDouble, 5, true);
  const ParameterStore& store = *backbone.parameters;
  const auto deviation = [&](const char* name) { return store.leaf(name).std().item<double>(); };
  EXPECT_NEAR(deviation("model.layers.7.mlp.gate_proj.weight"), 0.3, 0.01);
  EXPECT_NEAR(deviation("model.layers.3.mlp.down_proj.weight"), 0.3 / 4, 0.004);  // 1 / sqrt(2 * 8)
  EXPECT_NEAR(deviation("model.layers.3.self_attn.o_proj.weight"), 0.3 / 4, 0.006);
  EXPECT_EQ(deviation("model.layers.3.input_layernorm.weight"), 0);
  EXPECT_EQ(store.leaf("model.layers.3.self_attn.k_proj.bias").abs().sum().item<double>(), 0);
  EXPECT_TRUE(backbone.decoder.head.is_same(store.leaf("lm_head.weight")));
  EXPECT_TRUE(backbone.decoder.layers[3].k.bias.is_same(store.leaf("model.layers.3.self_attn.k_proj.bias")));
  EXPECT_FALSE(backbone.decoder.layers[3].gate.bias.defined());
  for (const ParameterInfo& info : store.infos()) {
    const bool undecayed = info.name.find("norm") != std::string::npos || info.name.ends_with("bias") ||
                           info.name == "model.embed_tokens.weight";
    EXPECT_EQ(info.decay, !undecayed) << info.name;
  }
}

TEST(MakeBackbone, TiesTheHead) {
  ModelConfig config = small_config();
  config.tie_word_embeddings = true;
  const Backbone backbone = make_backbone(config, at::kDouble, 5, true);
  EXPECT_TRUE(backbone.decoder.head.is_same(backbone.decoder.embedding));
  EXPECT_EQ(make_backbone(small_config(), at::kDouble, 5, true).parameters->count(),
            backbone.parameters->count() + 17 * 12);
}

TEST(MakeBackbone, DependsOnTheSeedAlone) {
  const at::Tensor a = small_backbone().parameters->flat(), b = small_backbone().parameters->flat();
  EXPECT_TRUE(at::equal(a, b));
  EXPECT_FALSE(at::equal(a, make_backbone(small_config(), at::kFloat, 6, false).parameters->flat()));
}

TEST(SetTrainable, SwitchesBetweenLeavesAndDetachedAliases) {
  Backbone backbone = small_backbone();
  EXPECT_FALSE(backbone.decoder.embedding.requires_grad());
  EXPECT_TRUE(backbone.decoder.embedding.is_alias_of(backbone.parameters->flat()));
  set_trainable(backbone, true);
  EXPECT_TRUE(
      backbone.decoder.layers[1].down.weight.is_same(backbone.parameters->leaf("model.layers.1.mlp.down_proj.weight")));
  EXPECT_TRUE(backbone.decoder.layers[1].down.weight.requires_grad());
  set_trainable(backbone, false);
  EXPECT_FALSE(backbone.decoder.layers[1].down.weight.requires_grad());
}

TEST(SaveBackbone, ComesBackBitForBit) {
  for (const bool tied : {false, true}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
      const TempFolder folder;
      ModelConfig config = small_config();
      config.tie_word_embeddings = tied;
      config.attention_scale = 1 / std::sqrt(6.0);
      config.window = {7, 7};
      config.model_type = "mistral";
      const Backbone saved = small_backbone(config, dtype);
      save_backbone(saved, folder / "new/model");
      const Backbone loaded = load_backbone(folder / "new/model", dtype, true);
      EXPECT_TRUE(at::equal(saved.parameters->flat(), loaded.parameters->flat()));
      EXPECT_TRUE(loaded.decoder.embedding.requires_grad());
      EXPECT_EQ(loaded.decoder.config.window, config.window);
      EXPECT_EQ(test::names_in(folder / "new/model"), (std::vector<std::string>{"config.json", "model.safetensors"}));
      EXPECT_EQ(SafetensorsFile(folder / "new/model/model.safetensors").find("lm_head.weight") == nullptr, tied);
    }
  }
}

TEST(SaveBackbone, KeepsMastersInFullAndMakesThemOfTheFilesValues) {
  const TempFolder folder;
  const Backbone exact = small_backbone();
  save_backbone(exact, folder / "float");
  const Backbone trained = load_backbone(folder / "float", at::kBFloat16, true);
  EXPECT_TRUE(at::equal(trained.parameters->masters(), exact.parameters->flat()));
  EXPECT_TRUE(at::equal(trained.parameters->flat(), exact.parameters->flat().to(at::kBFloat16)));
  save_backbone(trained, folder / "trained");
  EXPECT_EQ(test::read_text(folder / "trained/config.json"), test::read_text(folder / "float/config.json"));
  EXPECT_EQ(test::read_text(folder / "trained/model.safetensors"), test::read_text(folder / "float/model.safetensors"));
}

TEST(SaveBackbone, ReplacesWeightsAndLeavesOtherFiles) {
  const TempFolder folder;
  test::write_text(folder / "tokenizer.model", "kept");
  save_backbone(small_backbone(), folder.path());
  const Backbone other = make_backbone(small_config(), at::kFloat, 9, false);
  save_backbone(other, folder.path());
  EXPECT_TRUE(at::equal(load_backbone(folder.path(), at::kFloat, false).parameters->flat(), other.parameters->flat()));
  EXPECT_EQ(test::read_text(folder / "tokenizer.model"), "kept");
}

TEST(SaveBackbone, NamesAFolderItCannotMake) {
  const TempFolder folder;
  test::write_text(folder / "file", "");
  test::expect_error(ExitCode::io, {"cannot make the folder", "file/model"},
                     [&] { save_backbone(small_backbone(), folder / "file/model"); });
}

TEST(SaveBackbone, NamesADiskThatIsTooSmall) {
  const TempFolder folder;
  Backbone vast;
  vast.parameters = std::make_unique<ParameterStore>(
      std::vector<ParameterInfo>{{.name = "model.embed_tokens.weight", .shape = {int64_t{1} << 50}}},
      at::TensorOptions(at::kMeta), false);
  vast.decoder.embedding = vast.parameters->leaf("model.embed_tokens.weight");
  test::expect_error(ExitCode::io, {folder.path(), "not enough disk space"},
                     [&] { save_backbone(vast, folder.path()); });
  EXPECT_TRUE(test::names_in(folder.path()).empty());
}

TEST(LoadBackbone, ConvertsToTheDtypeAskedInBothModes) {
  const TempFolder folder;
  const Backbone saved = small_backbone();
  save_backbone(saved, folder.path());
  const Backbone loaded = load_backbone(folder.path(), at::kBFloat16, false, LoadMode::mmap);
  const Backbone read = load_backbone(folder.path(), at::kBFloat16, false, LoadMode::read);
  EXPECT_TRUE(at::equal(read.parameters->flat(), loaded.parameters->flat()));
  EXPECT_TRUE(at::equal(loaded.parameters->flat(), saved.parameters->flat().to(at::kBFloat16)));
  const at::Tensor ids = at::arange(17, at::kLong);
  const at::Tensor narrow = test::whole_logits(loaded.decoder, ids), wide = test::whole_logits(saved.decoder, ids);
  EXPECT_EQ(narrow.scalar_type(), at::kBFloat16);
  EXPECT_LT((narrow.to(at::kFloat) - wide).norm().item<double>(), 0.03 * wide.norm().item<double>());
}

// A saved model whose tensors are edited before they are written again.
struct Tampered {
  TempFolder folder;
  explicit Tampered(const std::function<void(std::vector<TensorBytes>&)>& edit, ModelConfig config = small_config()) {
    save_backbone(small_backbone(config), folder.path());
    const std::string path = folder / "model.safetensors";
    {
      const SafetensorsFile file(path);
      std::list<std::vector<std::byte>> data;
      std::vector<TensorBytes> tensors;
      for (const TensorEntry& entry : file.header().tensors) {
        tensors.push_back({entry.name, entry.dtype, entry.shape, data.emplace_back(file.data(entry))});
      }
      edit(tensors);
      write_safetensors(path, std::move(tensors));
    }
  }
  void load() const { load_backbone(folder.path(), at::kFloat, false); }
};

TensorBytes& named(std::vector<TensorBytes>& tensors, std::string_view name) {
  return *std::find_if(tensors.begin(), tensors.end(), [&](const TensorBytes& t) { return t.name == name; });
}

TEST(LoadBackbone, NamesMissingTensors) {
  const Tampered model([](auto& tensors) {
    std::erase_if(tensors, [](const TensorBytes& t) { return t.name == "model.layers.1.mlp.up_proj.weight"; });
  });
  expect_bad_file({"model.layers.1.mlp.up_proj.weight", model.folder.path()}, [&] { model.load(); });
}

TEST(LoadBackbone, NamesUnknownTensors) {
  const Tampered model([](auto& tensors) {
    for (int layer = 0; layer < 7; ++layer) {
      TensorBytes norm = named(tensors, "model.norm.weight");
      norm.name = str("model.layers.", layer, ".self_attn.q_norm.weight");
      tensors.push_back(norm);
    }
  });
  expect_bad_file({"model.layers.0.self_attn.q_norm.weight", "2 more", "llama"}, [&] { model.load(); });
}

TEST(LoadBackbone, NamesATensorOfAnotherShape) {
  const Tampered model([](auto& tensors) { named(tensors, "model.layers.0.self_attn.k_proj.weight").shape = {6, 24}; });
  expect_bad_file({"model.layers.0.self_attn.k_proj.weight", "[12, 12]", "[6, 24]"}, [&] { model.load(); });
}

TEST(LoadBackbone, NamesAnElementTypeItDoesNotRead) {
  const Tampered model([](auto& tensors) { named(tensors, "model.norm.weight").dtype = DType::i32; });
  expect_bad_file({"model.norm.weight", "I32", "bfloat16"}, [&] { model.load(); });
}

TEST(LoadBackbone, IgnoresWhatTheConfigDetermines) {
  ModelConfig tied = small_config();
  tied.tie_word_embeddings = true;
  const Tampered model(
      [](auto& tensors) {
        TensorBytes head = named(tensors, "model.embed_tokens.weight"),
                    frequencies = named(tensors, "model.norm.weight");
        head.name = "lm_head.weight";
        frequencies.name = "model.layers.1.self_attn.rotary_emb.inv_freq";
        tensors.push_back(head);
        tensors.push_back(frequencies);
      },
      tied);
  model.load();
}

TEST(LoadBackbone, RefusesATiedHeadThatDiffers) {
  ModelConfig tied = small_config();
  tied.tie_word_embeddings = true;
  const at::Tensor other = at::ones({17, 12}, at::kFloat);
  const Tampered model(
      [&](auto& tensors) {
        const std::span bytes(static_cast<const std::byte*>(other.const_data_ptr()), other.nbytes());
        tensors.push_back({"lm_head.weight", DType::f32, {17, 12}, bytes});
      },
      tied);
  expect_bad_file({"lm_head.weight", "tie_word_embeddings"}, [&] { model.load(); });
}

TEST(LoadBackbone, ChecksSizesBeforeItAllocates) {
  const Tampered model([](auto&) {});
  Json config = Json::parse_file(model.folder / "config.json");
  config.set("vocab_size", 1'000'000'000);
  config.set("hidden_size", 100'000);
  test::write_text(model.folder / "config.json", config.dump());
  expect_bad_file({model.folder.path()}, [&] { model.load(); });
}

}  // namespace
}  // namespace bt
