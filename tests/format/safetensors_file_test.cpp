#include <sys/stat.h>

#include <cstring>

#include "bt/core/strings.h"
#include "bt/format/safetensors.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::bytes_of;
using test::expect_bad_file;
using test::expect_error;
using test::names_in;
using test::read_text;
using test::TempFolder;
using test::write_text;

class SafetensorsModes : public ::testing::TestWithParam<LoadMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, SafetensorsModes, ::testing::Values(LoadMode::mmap, LoadMode::read),
                         [](const auto& one) { return one.param == LoadMode::mmap ? "Mmap" : "Read"; });

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_P(SafetensorsModes, ReadsBackWhatWasWritten) {
  const TempFolder folder;
  const std::vector<float> weights = {1.5f, -2, 0, 3e-9f, 7, 8};
  write_safetensors(folder / "m.safetensors",
                    {{"odd", DType::u8, {7}, bytes_of("1234567")},
                     {"scalar", DType::i64, {}, bytes_of("abcdefgh")},
                     {"empty", DType::f32, {3, 0}, {}},
                     {"weights", DType::f32, {2, 3}, std::as_bytes(std::span(weights))}},
                    {{"format", "pt"}, {"note", "line\n\"quoted\" \xc3\xa9"}});
  const SafetensorsFile file(folder / "m.safetensors", GetParam());
  EXPECT_EQ(file.header().metadata.at("note"), "line\n\"quoted\" \xc3\xa9");
  EXPECT_EQ(file.header().data_begin % 8, 0u);
  EXPECT_EQ(text_of(file.data(*file.find("odd"))), "1234567");
  EXPECT_EQ(text_of(file.data(*file.find("scalar"))), "abcdefgh");
  EXPECT_TRUE(file.data(*file.find("empty")).empty());
  const auto read = file.data(*file.find("weights"));
  ASSERT_EQ(read.size(), 24u);
  EXPECT_EQ(std::memcmp(read.data(), weights.data(), 24), 0);
  EXPECT_EQ(file.find("absent"), nullptr);
}

TEST_P(SafetensorsModes, ReadsAnyPartOfATensor) {
  const TempFolder folder;
  std::string data(20'000, '\0');  // several pages, from an odd place of the file on
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 % 251);
  write_safetensors(folder / "m", {{"a", DType::u8, {3}, bytes_of("abc")}, {"b", DType::u8, {20'000}, bytes_of(data)}});
  const SafetensorsFile file(folder / "m", GetParam());
  for (const auto& [offset, size] :
       {std::pair<size_t, size_t>{0, 20'000}, {1, 4096}, {4095, 8193}, {19'999, 1}, {20'000, 0}}) {
    std::vector<std::byte> out(size);
    file.read(*file.find("b"), offset, out);
    EXPECT_EQ(text_of(out), data.substr(offset, size));
  }
  std::vector<std::byte> beyond(2);
  EXPECT_THROW(file.read(*file.find("b"), 19'999, beyond), std::logic_error);
}

TEST_P(SafetensorsModes, NoticesAFileThatIsCutWhileOpen) {
  const TempFolder folder;
  write_safetensors(folder / "m", {{"a", DType::u8, {3}, bytes_of("abc")}});
  const SafetensorsFile file(folder / "m", GetParam());
  std::filesystem::resize_file(folder / "m", 9);
  expect_bad_file({"m", "has changed", "9 bytes"}, [&] { file.data(*file.find("a")); });
}

// What safetensors 0.8.0 serialises for the same tensors and metadata, one tensor of every element type.
TEST(SafetensorsFile, WritesTheBytesOfTheReferenceWriter) {
  const TempFolder folder;
  write_safetensors(folder / "m",
                    {{"a", DType::f32, {2}, bytes_of("aaaabbbb")},
                     {"b", DType::i64, {1}, bytes_of("iiiiiiii")},
                     {"c", DType::u8, {3}, bytes_of("ccc")},
                     {"d", DType::bf16, {1}, bytes_of("dd")},
                     {"e", DType::f16, {1}, bytes_of("ee")},
                     {"f", DType::f64, {1}, bytes_of("ffffffff")},
                     {"g", DType::boolean, {2}, bytes_of(std::string_view("\0\1", 2))},
                     {"h", DType::i8, {1}, bytes_of("h")},
                     {"i", DType::i16, {1}, bytes_of("hh")},
                     {"j", DType::i32, {1}, bytes_of("hhhh")}},
                    {{"format", "pt"}});
  const std::string expected =
      std::string("H\x02\0\0\0\0\0\0", 8) +
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("f":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},"a":{"dtype":"F32","shape":[2],"data_offsets":[16,24]},)"
      R"("j":{"dtype":"I32","shape":[1],"data_offsets":[24,28]},"d":{"dtype":"BF16","shape":[1],"data_offsets":[28,30]},)"
      R"("e":{"dtype":"F16","shape":[1],"data_offsets":[30,32]},"i":{"dtype":"I16","shape":[1],"data_offsets":[32,34]},)"
      R"("h":{"dtype":"I8","shape":[1],"data_offsets":[34,35]},"c":{"dtype":"U8","shape":[3],"data_offsets":[35,38]},)"
      R"("g":{"dtype":"BOOL","shape":[2],"data_offsets":[38,40]}}     )"
      "iiiiiiiiffffffffaaaabbbbhhhhddeehhhccc" +
      std::string("\0\1", 2);
  EXPECT_EQ(read_text(folder / "m"), expected);
}

TEST(SafetensorsFile, OrderOfTheArgumentDoesNotChangeTheBytes) {
  const TempFolder folder;
  const TensorBytes a{"a", DType::u8, {1}, bytes_of("a")}, b{"b", DType::u8, {1}, bytes_of("b")};
  write_safetensors(folder / "1", {a, b});
  write_safetensors(folder / "2", {b, a});
  EXPECT_EQ(read_text(folder / "1"), read_text(folder / "2"));
}

TEST(SafetensorsFile, ReplacingAFileKeepsOpenMappingsAndTakesOverALeftover) {
  const TempFolder folder;
  const std::string path = folder / "m.safetensors";
  write_safetensors(path, {{"a", DType::u8, {3}, bytes_of("old")}});
  const SafetensorsFile old(path);
  write_text(path + ".tmp", "what a killed writer left, longer than the file that comes next" + std::string(500, '.'));
  write_safetensors(path, {{"a", DType::u8, {4}, bytes_of("new!")}});
  EXPECT_EQ(text_of(old.data(*old.find("a"))), "old");
  const SafetensorsFile fresh(path);
  EXPECT_EQ(text_of(fresh.data(*fresh.find("a"))), "new!");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"m.safetensors"});
}

TEST(SafetensorsFile, AFailedWriteLeavesTheOldFileAndNoTemporary) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "m.safetensors/inside");  // a rename cannot replace a full folder
  expect_error(ExitCode::io, {"m.safetensors"}, [&] {
    write_safetensors(folder / "m.safetensors", {{"a", DType::u8, {1}, bytes_of("x")}});
  });
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"m.safetensors"});
  expect_error(ExitCode::io, {"absent"}, [&] { write_safetensors(folder / "absent/m.safetensors", {}); });
}

TEST(SafetensorsFile, CallersMistakesAreAssertions) {
  const TempFolder folder;
  const auto write = [&](std::vector<TensorBytes> tensors) { write_safetensors(folder / "m", std::move(tensors)); };
  EXPECT_THROW(write({{"a", DType::f32, {2}, bytes_of("1234")}}), std::logic_error);
  EXPECT_THROW(write({{"a", DType::u8, {1}, bytes_of("1")}, {"a", DType::u8, {1}, bytes_of("1")}}), std::logic_error);
  EXPECT_THROW(write({{"__metadata__", DType::u8, {1}, bytes_of("1")}}), std::logic_error);
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(SafetensorsFile, EveryTruncationOfAFileIsRefused) {
  const TempFolder folder;
  write_safetensors(folder / "whole",
                    {{"a", DType::f32, {2}, bytes_of("aaaabbbb")}, {"c", DType::u8, {3}, bytes_of("ccc")}});
  const std::string whole = read_text(folder / "whole");
  for (size_t size = 0; size < whole.size(); ++size) {
    write_text(folder / "part", whole.substr(0, size));
    expect_bad_file({"part"}, [&] { SafetensorsFile file(folder / "part"); });
  }
}

// Whatever is done to a byte of the header, the reader refuses the file or finds every tensor inside it.
TEST(SafetensorsFile, AnyChangedByteIsRefusedOrHarmless) {
  const TempFolder folder;
  write_safetensors(folder / "whole",
                    {{"a", DType::f32, {2, 1}, bytes_of("aaaabbbb")}, {"c", DType::u8, {3}, bytes_of("ccc")}},
                    {{"format", "pt"}});
  const std::string whole = read_text(folder / "whole");
  int accepted = 0;
  for (size_t at = 0; at + 11 < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      try {
        const SafetensorsHeader header = parse_safetensors_header(changed, changed.size(), "changed");
        for (const TensorEntry& entry : header.tensors) EXPECT_LE(header.data_begin + entry.end, changed.size());
        ++accepted;
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(accepted, 0);  // other names, other metadata
}

TEST(SafetensorsFile, RefusesWhatIsNotARegularFile) {
  const TempFolder folder;
  expect_bad_file({"absent"}, [&] { SafetensorsFile file(folder / "absent"); });
  expect_bad_file({folder.path()}, [&] { SafetensorsFile file(folder.path()); });
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_bad_file({"pipe"}, [&] { SafetensorsFile file(folder / "pipe"); });
}

TEST(SafetensorsFile, RefusesAHugeLengthInATinyFileWithoutAllocatingIt) {
  const TempFolder folder;
  write_text(folder / "f", std::string(8, '\xff') + "{}");
  expect_bad_file({"header is too long"}, [&] { SafetensorsFile file(folder / "f"); });
}

}  // namespace
}  // namespace bt
