// Mutants of model.safetensors.index.json beside two shards: what is read agrees with the shards, tensor by tensor.
#include "../../src/format/shard_index.h"
#include "bt/format/safetensors.h"
#include "format_test_support.h"
#include "support/fuzzing.h"

namespace bt {
namespace {

constexpr std::byte kValue{7};

class Folder {
 public:
  Folder() {
    write_shard("1.safetensors", {"a", "b"});
    write_shard("2.safetensors", {"c"});
  }
  void write_index(const std::string& text) const { test::write_text(folder_ / "model.safetensors.index.json", text); }
  const std::string& path() const { return folder_.path(); }

 private:
  void write_shard(const std::string& file, const std::vector<std::string>& names) const {
    std::vector<TensorBytes> tensors;
    for (const std::string& name : names) tensors.push_back({name, DType::u8, {1}, {&kValue, 1}});
    write_safetensors(folder_ / file, std::move(tensors));
  }
  test::TempFolder folder_;
};

testing::FuzzTarget shard_index(const Folder& folder) {
  return {.name = "shard_index",
          .seeds = {R"({"metadata": {"total_size": 3}, "weight_map": {"a": "1.safetensors", "b": "1.safetensors", )"
                    R"("c": "2.safetensors"}})",
                    R"({"weight_map": {"c": "2.safetensors", "b": "1.safetensors", "a": "1.safetensors"}})"},
          .read =
              [&folder](const std::string& text, testing::StageCounts& stages) {
                const Json index = Json::parse(text, "fuzz");
                stages.reach("json");
                std::vector<std::string> names;
                for (const auto& [tensor, shard] : parse_shard_index(index, "fuzz")) {
                  EXPECT_EQ(shard.find('/'), std::string::npos) << text;
                  names.push_back(tensor);
                }
                stages.reach("names");
                folder.write_index(text);
                const WeightFiles files(folder.path());
                EXPECT_EQ(files.names(), names) << text;
                for (const std::string& name : names)
                  EXPECT_EQ(files.at(name).file->data(*files.at(name).entry).at(0), kValue) << text;
              },
          .floors = {{"json", 0.4}, {"names", 0.2}, {"read", 0.02}}};
}

TEST(Fuzz, ShardIndex) {
  const Folder folder;
  testing::fuzz(shard_index(folder), 2'000);
}
TEST(FullFuzz, ShardIndex) {
  const Folder folder;
  testing::fuzz(shard_index(folder), 200'000);
}

}  // namespace
}  // namespace bt
