#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::expect_bad_file;

std::string length_bytes(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(length >> (8 * i) & 0xff));
  return bytes;
}

std::string file_of(std::string_view json, size_t data_bytes) {
  return length_bytes(json.size()) + std::string(json) + std::string(data_bytes, '\0');
}

SafetensorsHeader parse(std::string_view json, size_t data_bytes) {
  const std::string file = file_of(json, data_bytes);
  return parse_safetensors_header(file, file.size(), "f.safetensors");
}

TEST(SafetensorsHeader, ReadsTensorsInTheOrderOfTheirData) {
  const SafetensorsHeader header =
      parse(R"({"b":{"dtype":"F32","shape":[2,3],"data_offsets":[2,26]},"__metadata__":{"format":"pt"},)"
            R"("a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}})",
            26);
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].dtype, DType::bf16);
  EXPECT_EQ(header.tensors[1].name, "b");
  EXPECT_EQ(header.tensors[1].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[1].begin, 2u);
  EXPECT_EQ(header.tensors[1].end, 26u);
  EXPECT_EQ(header.metadata.at("format"), "pt");
}

TEST(SafetensorsHeader, AcceptsRankZeroEmptyTensorsAndNoTensors) {
  const SafetensorsHeader header = parse(R"({"scalar":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                                         R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]},)"
                                         R"("first":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}})",
                                         8);
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].name, "first");
  EXPECT_EQ(header.tensors[1].name, "scalar");
  EXPECT_TRUE(header.tensors[1].shape.empty());
  EXPECT_EQ(header.tensors[2].name, "none");
  EXPECT_TRUE(parse("{}", 0).tensors.empty());
}

TEST(SafetensorsHeader, AcceptsSpacesAroundTheJson) {
  EXPECT_EQ(parse(R"(  {"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}   )", 3).tensors.size(), 1u);
}

TEST(SafetensorsHeader, AcceptsEveryElementType) {
  for (const std::string name : {"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64"}) {
    DType dtype;
    ASSERT_TRUE(parse_dtype(name, dtype));
    EXPECT_EQ(dtype_name(dtype), name);
    const uint64_t bytes = 3 * dtype_bytes(dtype);
    const std::string json = str(R"({"a":{"dtype":")", name, R"(","shape":[3],"data_offsets":[0,)", bytes, "]}}");
    EXPECT_EQ(parse(json, bytes).tensors[0].dtype, dtype);
  }
}

struct Refused {
  std::string name;
  std::string json;
  size_t data_bytes;
  std::vector<std::string> message;  // parts
};

class RefusedHeader : public testing::TestWithParam<Refused> {};

TEST_P(RefusedHeader, NamesFileAndFault) {
  std::vector<std::string> message = GetParam().message;
  message.push_back("f.safetensors");
  expect_bad_file(message, [] { parse(GetParam().json, GetParam().data_bytes); });
}

std::string tensor(std::string_view fields) { return str(R"({"w":{)", fields, "}}"); }

INSTANTIATE_TEST_SUITE_P(
    Header, RefusedHeader,
    testing::Values(
        Refused{"NotJson", "abc", 0, {}}, Refused{"Empty", "", 0, {}}, Refused{"Array", "[]", 0, {}},
        Refused{"Unfinished", R"({"w":)", 0, {}}, Refused{"TextAfterJson", "{} x", 0, {}},
        Refused{"ZeroPadding", std::string("{}\0", 3), 0, {}},
        Refused{"InvalidUtf8", "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, {}},
        Refused{"TooDeep", std::string(10'000, '['), 0, {}}, Refused{"TensorNotAnObject", R"({"w":3})", 0, {"w"}},
        Refused{"MissingDtype", tensor(R"("shape":[1],"data_offsets":[0,1])"), 1, {"dtype", "w"}},
        Refused{"MissingShape", tensor(R"("dtype":"U8","data_offsets":[0,1])"), 1, {"shape", "w"}},
        Refused{"MissingOffsets", tensor(R"("dtype":"U8","shape":[1])"), 1, {"data_offsets", "w"}},
        Refused{
            "UnknownKey", tensor(R"("dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1)"), 1, {"unknown key", "x"}},
        Refused{
            "UnknownDtype", tensor(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])"), 1, {"F8_E4M3", "BF16"}},
        Refused{"LowerCaseDtype", tensor(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), 4, {"f32"}},
        Refused{"DtypeNotText", tensor(R"("dtype":7,"shape":[1],"data_offsets":[0,1])"), 1, {"w"}},
        Refused{"NegativeSize", tensor(R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])"), 1, {"w"}},
        Refused{"FloatSize", tensor(R"("dtype":"U8","shape":[1.0],"data_offsets":[0,1])"), 1, {"w"}},
        Refused{"ExponentSize", tensor(R"("dtype":"U8","shape":[1e0],"data_offsets":[0,1])"), 1, {"w"}},
        Refused{"SizeAsText", tensor(R"("dtype":"U8","shape":["1"],"data_offsets":[0,1])"), 1, {"w"}},
        Refused{
            "SizeAboveInt64", tensor(R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1])"), 1, {"w"}},
        Refused{
            "SizeAboveUint64", tensor(R"("dtype":"U8","shape":[18446744073709551617],"data_offsets":[0,1])"), 1, {}},
        Refused{"ShapeNotAList", tensor(R"("dtype":"U8","shape":1,"data_offsets":[0,1])"), 1, {"w"}},
        Refused{"RankNine", tensor(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])"), 1, {"8", "9"}},
        Refused{"ProductOverflow",
                tensor(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
                0,
                {"w"}},
        Refused{"ProductOverflowToSmall",  // wraps to 1 in 64 bits
                tensor(R"("dtype":"U8","shape":[6148914691236517205,3,9223372036854775807],"data_offsets":[0,1])"),
                1,
                {"w"}},
        Refused{
            "ByteOverflow", tensor(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])"), 0, {"w"}},
        Refused{"SizeDiffersFromShape",
                tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"),
                4,
                {"8 bytes", "4 bytes"}},
        Refused{"EndBeforeBegin", tensor(R"("dtype":"U8","shape":[0],"data_offsets":[1,0])"), 1, {"w"}},
        Refused{"OneOffset", tensor(R"("dtype":"U8","shape":[1],"data_offsets":[1])"), 1, {"data_offsets"}},
        Refused{"ThreeOffsets", tensor(R"("dtype":"U8","shape":[1],"data_offsets":[0,1,1])"), 1, {"data_offsets"}},
        Refused{"NegativeOffset", tensor(R"("dtype":"U8","shape":[1],"data_offsets":[-1,0])"), 1, {"w"}},
        Refused{"HoleAtTheStart", tensor(R"("dtype":"U8","shape":[1],"data_offsets":[1,2])"), 2, {"unused", "w"}},
        Refused{"HoleBetween",
                R"({"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("w":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                3,
                {"unused", "w"}},
        Refused{"Overlap",
                R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                R"("w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                3,
                {"overlaps", "w"}},
        Refused{"SameData",
                R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                R"("w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
                2,
                {"overlaps", "w"}},
        Refused{"Duplicate",
                R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                2,
                {"w"}},
        Refused{"DuplicateByEscape",
                R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("\u0077":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                2,
                {"w"}},
        Refused{"DuplicateField", tensor(R"("dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1])"), 1, {"shape"}},
        Refused{"Truncated", tensor(R"("dtype":"U8","shape":[9],"data_offsets":[0,9])"), 8, {"truncated"}},
        Refused{
            "BytesLeftOver", tensor(R"("dtype":"U8","shape":[9],"data_offsets":[0,9])"), 10, {"after the last tensor"}},
        Refused{"DataWithoutTensors", "{}", 1, {"after the last tensor"}},
        Refused{"MetadataNotText", R"({"__metadata__":{"a":1}})", 0, {"__metadata__.a"}},
        Refused{"MetadataNotAnObject", R"({"__metadata__":[]})", 0, {"__metadata__"}},
        Refused{"LongName",
                str("{\"", std::string(1025, 'n'), R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
                0,
                {"1025"}}),
    [](const auto& test) { return test.param.name; });

TEST(SafetensorsHeader, RefusesAFileShorterThanItsLength) {
  for (const std::string file : {"", "1234567"}) {
    expect_bad_file({"f.safetensors"}, [&] { parse_safetensors_header(file, file.size(), "f.safetensors"); });
  }
}

TEST(SafetensorsHeader, RefusesAHugeLengthBeforeReading) {
  for (const uint64_t length : {uint64_t{100'000'001}, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    const std::string file = length_bytes(length) + "{}";
    expect_bad_file({"100000000"}, [&] { parse_safetensors_header(file, uint64_t{1} << 62, "f.safetensors"); });
  }
}

TEST(SafetensorsHeader, RefusesALengthPastTheEndOfTheFile) {
  const std::string file = length_bytes(3) + "{}";
  expect_bad_file({"truncated", "11 bytes", "10 bytes"},
                  [&] { parse_safetensors_header(file, file.size(), "f.safetensors"); });
}

TEST(SafetensorsHeader, RefusesMoreThanAHundredThousandTensors) {
  std::string json = "{";
  for (int i = 0; i <= 100'000; ++i) json += str(i == 0 ? "\"" : ",\"", i, "\":{}");
  expect_bad_file({"too many tensors"}, [&] { parse(json + "}", 0); });
}

}  // namespace
}  // namespace bt
