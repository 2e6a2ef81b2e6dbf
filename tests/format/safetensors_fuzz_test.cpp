// Mutants of a safetensors file against the reader of its header. Most keep the length in front right for their header,
// so that the checks behind it are reached.
#include "bt/core/json.h"
#include "bt/format/safetensors.h"
#include "support/fuzzing.h"

namespace bt {
namespace {

std::string length_bytes(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(length >> (8 * i) & 0xff));
  return bytes;
}

uint64_t length_of(std::string_view file) {
  uint64_t length = 0;
  for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(file[i]);
  return length;
}

std::string file_of(const std::string& header, size_t data_bytes) {
  return length_bytes(header.size()) + header + std::string(data_bytes, '\0');
}

std::string mutate(const std::string& seed, const std::vector<std::string>& seeds, CounterRng& rng) {
  std::vector<std::string> headers;
  for (const std::string& file : seeds) headers.push_back(file.substr(8, length_of(file)));
  const std::string header = testing::mutate_text(seed.substr(8, length_of(seed)), headers, rng);
  std::string data = seed.substr(8 + length_of(seed));
  if (rng.below(8) == 0) data.resize(testing::fuzz_below(rng, 2 * data.size() + 2));
  uint64_t length = header.size();
  if (rng.below(16) == 0) length = rng.below(2) == 0 ? length + rng.below(5) - 2 : rng.next_u64() >> rng.below(64);
  return length_bytes(length) + header + data;
}

testing::FuzzTarget safetensors() {
  const std::string two = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                          R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}})";
  const std::string odd = R"({"s":{"dtype":"I64","shape":[],"data_offsets":[3,11]},"e":{"dtype":"F64","shape":[0,7],)"
                          R"("data_offsets":[11,11]},"u":{"dtype":"U8","shape":[3,1],"data_offsets":[0,3]}}   )";
  return {.name = "safetensors",
          .seeds = {file_of(two, 32), file_of(odd, 11)},
          .read =
              [](const std::string& file, testing::StageCounts& stages) {
                if (length_of(file) <= file.size() - 8) {
                  stages.reach("length");
                  try {
                    Json::parse(std::string_view(file).substr(8, length_of(file)), "fuzz");
                    stages.reach("json");
                  } catch (const Error&) {
                  }
                }
                const SafetensorsHeader header = parse_safetensors_header(file, file.size(), "fuzz");
                uint64_t end = 0;
                for (const TensorEntry& entry : header.tensors) {
                  EXPECT_EQ(entry.begin, end) << file;
                  EXPECT_LE(entry.begin, entry.end) << file;
                  end = entry.end;
                }
                EXPECT_EQ(header.data_begin + end, file.size()) << file;
              },
          .floors = {{"length", 0.9}, {"json", 0.4}, {"read", 0.02}},
          .mutate = mutate};
}

TEST(Fuzz, Safetensors) { testing::fuzz(safetensors(), 2'000); }
TEST(FullFuzz, Safetensors) { testing::fuzz(safetensors(), 200'000); }

}  // namespace
}  // namespace bt
