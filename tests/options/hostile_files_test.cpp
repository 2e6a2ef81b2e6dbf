// Files made to harm (tests/hostile, written by make_hostile_files.py): every reader refuses them with the exit code
// and the words that the manifest gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/format/checkpoint_folder.h"
#include "bt/format/model_config.h"
#include "bt/format/peft_config.h"
#include "bt/format/processor_config.h"
#include "bt/format/safetensors.h"
#include "bt/options/train_options.h"
#include "bt/text/chat_template.h"
#include "bt/text/json_lines.h"
#include "bt/text/tokenizer.h"

namespace bt {
namespace {

constexpr const char* kFolder = BT_SOURCE_DIR "/tests/hostile/";

void read_experiment(const std::string& path) {
  ExperimentOptions options;
  read_options(parse_yaml_file(path), options);
}

// What it read, it must also work with; some patterns are too slow only then.
void use_tokenizer(const std::string& path) {
  const auto tokenizer = load_tokenizer(path);
  const std::vector<int32_t> ids = tokenizer->encode(std::string(5'000, 'a') + "b<0x-1>\xff", true);
  tokenizer->decode(ids);
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) tokenizer->decode({&id, 1});
}

const std::map<std::string, std::function<void(const std::string&)>>& readers() {
  static const std::map<std::string, std::function<void(const std::string&)>> all = {
      {"safetensors", [](const std::string& path) { SafetensorsFile file(path); }},
      {"weights", [](const std::string& path) { WeightFiles files(path); }},
      {"config", [](const std::string& path) { read_model_config(path); }},
      {"yaml", read_experiment},
      {"tokenizer", use_tokenizer},
      {"checkpoint", [](const std::string& path) { verify_checkpoint(path); }},
      {"processor", [](const std::string& path) { read_processor_config(path); }},
      {"adapter", [](const std::string& path) { read_peft_config(path); }},
      {"chat_template", [](const std::string& path) { recognised_chat_template(path); }},
      {"json_lines", [](const std::string& path) { read_json_lines(path); }}};
  return all;
}

void expect_refused(const std::string& reader, const std::string& path, int code,
                    const std::vector<std::string>& words) {
  try {
    readers().at(reader)(path);
    EXPECT_EQ(code, 0) << path << " was read";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), code) << error.what();
    for (const std::string& word : words) EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr(word)) << path;
    for (const char* control : {"\x1b", "\xc2\x9b"})
      EXPECT_THAT(std::string(error.what()), ::testing::Not(::testing::HasSubstr(control))) << "a terminal would obey";
  }
}

TEST(HostileFiles, AreRefusedAsTheManifestSays) {
  const auto rows = read_json_lines(std::string(kFolder) + "manifest.jsonl");
  ASSERT_GT(rows.size(), 100u);
  for (const Json& row : rows) {
    std::vector<std::string> words;
    for (const Json& word : row.at("words", "").as_array("")) words.push_back(word.as_string(""));
    const std::string path = row.at("path", "").as_string("");
    SCOPED_TRACE(path);
    expect_refused(row.at("reader", "").as_string(""), kFolder + path, static_cast<int>(row.at("exit", "").as_int("")),
                   words);
  }
}

// What is too large for the tree.
class HostileSizes : public ::testing::Test {
 protected:
  HostileSizes() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bt_hostile_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = pattern;
  }
  ~HostileSizes() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string file_of(const std::string& header) {
    std::string length;
    for (int i = 0; i < 8; ++i) length.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
    return length + header;
  }

  std::string folder_;
};
using FullHostileSizes = HostileSizes;

TEST_F(FullHostileSizes, AsManyTensorsAsAHeaderCanName) {
  std::string header = "{";
  for (int i = 0; header.size() < 99'000'000; ++i) header += str(i == 0 ? "\"" : ",\"", i, "\":0");
  expect_refused("safetensors", write("f", file_of(header + "}")), 3, {"too many values"});
}

TEST_F(HostileSizes, OneTensorTooMany) {
  std::string header = "{";
  for (int i = 0; i <= 100'000; ++i)
    header += str(i == 0 ? "\"" : ",\"", i, R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  expect_refused("safetensors", write("f", file_of(header + "}")), 3, {"too many tensors", "100000"});
}

TEST_F(HostileSizes, OneShardTooMany) {
  std::string index = "{\"weight_map\":{";
  for (int i = 0; i <= 10'000; ++i) index += str(i == 0 ? "\"" : ",\"", i, "\":\"", i, ".safetensors\"");
  write("model.safetensors.index.json", index + "}}");
  expect_refused("weights", folder_, 3, {"bad number of shards", "10001"});
}

TEST_F(HostileSizes, WhatIsNoRegularFile) {
  std::filesystem::create_symlink("/dev/zero", folder_ + "/1.safetensors");
  write("model.safetensors.index.json", R"({"weight_map":{"a":"1.safetensors"}})");
  expect_refused("weights", folder_, 3, {"1.safetensors", "not a regular file"});
  std::filesystem::remove(folder_ + "/1.safetensors");
  std::filesystem::create_symlink("1.safetensors", folder_ + "/1.safetensors");
  expect_refused("weights", folder_, 6, {"1.safetensors", "symbolic links"});
  std::filesystem::create_symlink("/dev/zero", folder_ + "/config.json");
  expect_refused("config", folder_, 3, {"config.json", "too large"});
}

// A sparse file: nothing of its terabyte is read, mapped into memory or allocated.
TEST_F(HostileSizes, ATerabyteOfHoles) {
  const std::string path =
      write("f", file_of(R"({"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}})"));
  const auto data_begin = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, data_begin + 1099511627775);
  expect_refused("safetensors", path, 3, {"file truncated", str(data_begin + 1099511627776)});
  std::filesystem::resize_file(path, data_begin + 1099511627776);
  for (const LoadMode mode : {LoadMode::mmap, LoadMode::read}) {
    const SafetensorsFile file(path, mode);
    std::vector<std::byte> end(16, std::byte{1});
    file.read(*file.find("a"), 1099511627776 - 16, end);
    EXPECT_EQ(end, std::vector<std::byte>(16));
  }
}

TEST_F(FullHostileSizes, AHeaderOfNothingButSpace) {
  expect_refused("safetensors", write("f", file_of(std::string(100'000'000, ' '))), 3, {"invalid JSON"});
}

TEST_F(FullHostileSizes, AHundredThousandLevels) {
  const std::string deep(100'000, '[');
  expect_refused("safetensors", write("f", file_of(deep)), 3, {"nested deeper"});
  expect_refused("json_lines", write("f.jsonl", "{\"a\":" + deep), 3, {"nested deeper"});
  expect_refused("yaml", write("f.yaml", "a: " + deep), 2, {"f.yaml:1"});
}

TEST_F(FullHostileSizes, MoreThanOneMegabyteOfYaml) {
  expect_refused("yaml", write("f.yaml", "a: " + std::string(1 << 20, 'x')), 2, {"f.yaml"});
}

TEST_F(FullHostileSizes, ALineWithoutEnd) {
  expect_refused("json_lines", write("f.jsonl", "{\"a\": \"" + std::string(50'000'000, 'x')), 3, {"f.jsonl:1"});
}

TEST_F(FullHostileSizes, AnArrayOfAsManyValuesAsBytes) {
  std::string text = "{\"a\":[0";
  for (int i = 0; i < 50'000'000; ++i) text += ",0";
  expect_refused("json_lines", write("f.jsonl", text + "]}"), 3, {"f.jsonl:1", "values"});
}

}  // namespace
}  // namespace bt
