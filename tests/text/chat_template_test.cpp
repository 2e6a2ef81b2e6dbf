#include "bt/text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

TEST(ChatTemplate, WritesTheFamiliesPrompts) {
  EXPECT_EQ(chat_prompt("llama3", "", " Hi\n", "<|begin_of_text|>"),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(chat_prompt("llama3.1", "", "Hi", "B"),
            "B<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul "
            "2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(chat_prompt("chatml", "", "Hi ", "B"), "<|im_start|>user\nHi <|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(chat_prompt("qwen2", "", "Hi", ""),
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\n");
  EXPECT_EQ(chat_prompt("gemma", "", "Hi", "<bos>"),
            "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(chat_prompt("mistral", "", "Hi", "<s>"), "<s>[INST] Hi [/INST]");
  EXPECT_EQ(chat_prompt("mistral-v3", "Be brief.", "Hi", "<s>"), "<s>[INST] Be brief.\n\nHi[/INST]");
  EXPECT_EQ(chat_prompt("phi3", "Be brief.", "Hi", "B"),
            "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n");
  EXPECT_EQ(chat_prompt("olmo2", "", "Hi", "<|endoftext|>"), "<|endoftext|><|user|>\nHi\n<|assistant|>\n");
}

void expect_usage(const std::string& part, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

TEST(ChatTemplate, AGivenSystemMessageReplacesTheTemplatesOwn) {
  EXPECT_EQ(chat_prompt("qwen2.5", "Be brief.", "Hi", ""),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  expect_usage("takes no system message", [] { chat_prompt("gemma", "Be brief.", "Hi", ""); });
  expect_usage("llama3.1", [] { chat_prompt("llama", "", "Hi", ""); });
}

TEST(ChatTemplate, ItsMarksMustBeTokens) {
  const std::string fixtures = str(BT_SOURCE_DIR, "/tests/text/fixtures/tokenizers/");
  const auto qwen = load_tokenizer(fixtures + "qwen2.tokenizer.json"),
             gpt2 = load_tokenizer(fixtures + "gpt2.tokenizer.json");
  const std::vector<int32_t> ids = chat_ids(*qwen, "chatml", "", "Hi");
  EXPECT_EQ(qwen->decode(ids), chat_prompt("chatml", "", "Hi", ""));
  EXPECT_EQ(qwen->decode(ids, true), "user\nHi\nassistant\n");
  expect_usage("no token \"<|im_start|>\"", [&] { chat_ids(*gpt2, "chatml", "", "Hi"); });
}

TEST(ChatTemplate, IsRecognisedByItsMarks) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("bt_chat_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  expect_usage("no chat template", [&] { recognised_chat_template(folder); });
  write_file_atomically(folder / "tokenizer_config.json", R"({"chat_template": "{{'<|im_start|>' + role}}"})");
  EXPECT_EQ(recognised_chat_template(folder), "chatml");
  write_file_atomically(folder / "chat_template.jinja", "{{ '<|start_header_id|>' }}");
  EXPECT_EQ(recognised_chat_template(folder), "llama3");
  write_file_atomically(folder / "chat_template.jinja", "<|im_start|> Reasoning Mode: /think");
  expect_usage("not known", [&] { recognised_chat_template(folder); });
  fs::remove_all(folder);
}

}  // namespace
}  // namespace bt
