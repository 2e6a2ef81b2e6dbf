#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::expect_bad_file;
using test::TempFolder;
using test::write_text;

constexpr const char* kIndex = "model.safetensors.index.json";

void write_shard(const std::string& path, const std::vector<std::string>& names) {
  static const std::byte value{42};
  std::vector<TensorBytes> tensors;
  for (const std::string& name : names) tensors.push_back({name, DType::u8, {1}, {&value, 1}});
  write_safetensors(path, std::move(tensors));
}

TEST(WeightFiles, ReadsASingleFile) {
  const TempFolder folder;
  write_shard(folder / "model.safetensors", {"b", "a"});
  const WeightFiles weights(folder.path());
  EXPECT_EQ(weights.names(), (std::vector<std::string>{"a", "b"}));
  const auto [file, entry] = weights.at("b");
  EXPECT_EQ(file->data(*entry)[0], std::byte{42});
  EXPECT_FALSE(weights.contains("c"));
  expect_bad_file({folder.path(), "lm_head.weight"}, [&] { weights.at("lm_head.weight"); });
}

TEST(WeightFiles, ReadsShardsAndFollowsSymbolicLinks) {
  const TempFolder folder, blobs;
  write_shard(blobs / "blob", {"a"});
  std::filesystem::create_symlink(blobs / "blob", folder / "model-1.safetensors");
  write_shard(folder / "model-2.safetensors", {"b", "c"});
  write_text(folder / kIndex, R"({"metadata":{"total_size":3},"weight_map":{"a":"model-1.safetensors",)"
                              R"("b":"model-2.safetensors","c":"model-2.safetensors"}})");
  WeightFiles weights(folder.path());
  EXPECT_EQ(weights.names(), (std::vector<std::string>{"a", "b", "c"}));
  const WeightFiles moved(std::move(weights));
  EXPECT_EQ(moved.at("c").file->path(), folder / "model-2.safetensors");
  EXPECT_EQ(moved.at("a").file->data(*moved.at("a").entry)[0], std::byte{42});
}

TEST(WeightFiles, TheSingleFileWinsOverAnIndex) {
  const TempFolder folder;
  write_shard(folder / "model.safetensors", {"a"});
  write_text(folder / kIndex, "not even JSON");
  EXPECT_EQ(WeightFiles(folder.path()).names(), std::vector<std::string>{"a"});
}

TEST(WeightFiles, ShardNamesCannotLeaveTheFolder) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "sub");
  write_shard(folder / "sub/m.safetensors", {"a"});
  for (const std::string shard :
       {"sub/m.safetensors", "../x.safetensors", "/etc/passwd", "..", ".", "", "a\\\\b", "a\\u0000b", "line\\nbreak"}) {
    write_text(folder / kIndex, str(R"({"weight_map":{"a":")", shard, R"("}})"));
    expect_bad_file({kIndex, "weight_map.a", "plain file name"}, [&] { WeightFiles weights(folder.path()); });
  }
}

TEST(WeightFiles, IndexAndShardsMustAgree) {
  const TempFolder folder;
  write_shard(folder / "1.safetensors", {"a", "b"});
  write_shard(folder / "2.safetensors", {"b", "c"});
  const auto expect_refused = [&](std::string_view index, const std::vector<std::string>& message) {
    write_text(folder / kIndex, index);
    expect_bad_file(message, [&] { WeightFiles weights(folder.path()); });
  };
  expect_refused(R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors","z":"1.safetensors"}})", {"weight_map.z"});
  expect_refused(R"({"weight_map":{"a":"1.safetensors"}})", {"1.safetensors", "tensor b"});
  expect_refused(R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"}})",
                 {"2.safetensors", "tensor b"});
  expect_refused(R"({"weight_map":{"a":"3.safetensors"}})", {"3.safetensors"});
  expect_refused(R"({"weight_map":{"a":1}})", {"weight_map.a"});
  expect_refused(R"({"weight_map":{}})", {"shards"});
  expect_refused(R"({})", {"weight_map"});
  expect_refused(R"({"weight_map":{"a":"1.safetensors","a":"2.safetensors"}})", {kIndex});
}

TEST(WeightFiles, SaysThatPickledWeightsAreNotRead) {
  const TempFolder folder;
  write_text(folder / "pytorch_model.bin", "x");
  expect_bad_file({folder.path(), "model.safetensors", ".bin"}, [&] { WeightFiles weights(folder.path()); });
}

}  // namespace
}  // namespace bt
