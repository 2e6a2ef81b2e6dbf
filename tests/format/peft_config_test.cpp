#include "bt/format/peft_config.h"

#include <cmath>

#include "bt/core/json.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::expect_bad_file;
using test::TempFolder;
using test::write_text;

// What peft writes, with one key changed.
Json peft_json(const std::string& key = "", Json value = {}) {
  Json json = Json::parse(R"({"peft_type": "LORA", "r": 4, "lora_alpha": 12, "use_rslora": false, "bias": "none",
                              "modules_to_save": null, "rank_pattern": {}, "use_dora": false, "layers_to_transform": null,
                              "init_lora_weights": true, "target_modules": ["q_proj"]})",
                          "test");
  if (!key.empty()) json.set(key, std::move(value));
  return json;
}

TEST(PeftConfig, ReadsBackWhatWasWritten) {
  const TempFolder folder;
  EXPECT_FALSE(has_peft_config(folder.path()));
  write_peft_config(folder.path(), {.rank = 6, .scale = 1.5, .target_modules = {"q_proj"}, .base_model = "base"});
  EXPECT_TRUE(has_peft_config(folder.path()));
  const PeftConfig read = read_peft_config(folder.path());
  EXPECT_EQ(read.rank, 6);
  EXPECT_EQ(read.scale, 1.5);
  EXPECT_EQ(read.base_model, "base");
  EXPECT_EQ(Json::parse_file(folder / "adapter_config.json").at("lora_alpha", "").as_int(""), 9) << "9, not 9.0";
}

TEST(PeftConfig, RankStabilisedAdaptersAreScaledByTheRoot) {
  const TempFolder folder;
  write_text(folder / "adapter_config.json", peft_json().dump());
  EXPECT_EQ(read_peft_config(folder.path()).scale, 3);
  write_text(folder / "adapter_config.json", peft_json("use_rslora", true).dump());
  EXPECT_EQ(read_peft_config(folder.path()).scale, 6);
}

TEST(PeftConfig, WhatIsNotSupportedIsRefusedByName) {
  const TempFolder folder;
  const auto expect_refused = [&](const std::string& key, Json value) {
    write_text(folder / "adapter_config.json", peft_json(key, std::move(value)).dump());
    expect_bad_file({"adapter_config.json", key}, [&] { read_peft_config(folder.path()); });
  };
  expect_refused("use_dora", true);
  expect_refused("bias", "all");
  expect_refused("modules_to_save", Json::array({"lm_head"}));
  expect_refused("rank_pattern", Json::object({{"q_proj", 8}}));
  expect_refused("alpha_pattern", Json::object({{"q_proj", 8}}));
  expect_refused("layers_to_transform", Json::array({0, 1}));
  expect_refused("init_lora_weights", "pissa");
  expect_refused("peft_type", "PREFIX_TUNING");
  expect_refused("r", 0);
  expect_refused("lora_alpha", "many");
}

}  // namespace
}  // namespace bt
