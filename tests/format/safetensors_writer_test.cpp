#include "bt/format/safetensors_writer.h"

#include <thread>

#include "../../src/format/mapped_bytes.h"
#include "bt/format/disk_space.h"
#include "bt/format/load_mode.h"
#include "bt/format/safetensors.h"
#include "format_test_support.h"

namespace bt {
namespace {

using test::bytes_of;
using test::expect_error;
using test::names_in;
using test::read_text;
using test::TempFolder;
using test::write_text;

TEST(SafetensorsWriter, PiecesGiveTheFileThatWholeTensorsGive) {
  const TempFolder folder;
  write_safetensors(folder / "whole",
                    {{"a", DType::u8, {3}, bytes_of("abc")}, {"b", DType::f32, {1, 2}, bytes_of("12345678")}},
                    {{"format", "pt"}});
  SafetensorsWriter writer(folder / "pieces", {{"a", DType::u8, {3}}, {"b", DType::f32, {1, 2}}}, {{"format", "pt"}});
  EXPECT_EQ(writer.order(), (std::vector<size_t>{1, 0}));
  for (const char* piece : {"1234", "", "5678", "a", "bc"}) writer.write(bytes_of(piece));
  EXPECT_FALSE(std::filesystem::exists(folder / "pieces"));
  writer.commit();
  EXPECT_EQ(read_text(folder / "pieces"), read_text(folder / "whole"));
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"pieces", "whole"}));
}

TEST(SafetensorsWriter, WithoutCommitTheOldFileStays) {
  const TempFolder folder;
  write_text(folder / "m", "old");
  {
    SafetensorsWriter writer(folder / "m", {{"a", DType::u8, {3}}});
    writer.write(bytes_of("ab"));
    EXPECT_THROW(writer.commit(), std::logic_error);
    EXPECT_THROW(writer.write(bytes_of("cd")), std::logic_error);
  }
  EXPECT_EQ(read_text(folder / "m"), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"m"});
}

TEST(SafetensorsWriter, AsksForRoomBeforeItWrites) {
  const TempFolder folder;
  expect_error(ExitCode::io, {folder.path(), "not enough disk space", "1152921504606847", "free"}, [&] {
    SafetensorsWriter writer(folder / "m", {{"a", DType::u8, {int64_t{1} << 60}}});
  });
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(DiskSpace, IsThatOfTheFolder) {
  const TempFolder folder;
  check_free_space(folder.path(), 1);
  expect_error(ExitCode::io, {"absent"}, [&] { check_free_space(folder / "absent", 1); });
}

TEST(LoadMode, HasTheNamesThatUsersGive) {
  EXPECT_EQ(load_mode_names(), (std::vector<std::string>{"mmap", "read"}));
  EXPECT_EQ(load_mode("mmap"), LoadMode::mmap);
  EXPECT_EQ(load_mode("read"), LoadMode::read);
  EXPECT_THROW(load_mode("pread"), std::logic_error);
}

// A page that is gone is a SIGBUS where it is touched; the system is asked for the pages first.
TEST(MappedBytes, LostPagesAreAnError) {
  const TempFolder folder;
  write_text(folder / "f", std::string(3 << 16, 'x'));
  const MappedBytes mapped(FileDescriptor::open_for_reading(folder / "f"), 3 << 16);
  std::filesystem::resize_file(folder / "f", 1 << 16);
  std::vector<std::byte> out(1 << 16);
  mapped.copy(0, out);
  EXPECT_EQ(out.back(), std::byte{'x'});
  expect_error(ExitCode::io, {folder / "f", "cannot be read any more", "--load read"},
               [&] { mapped.copy(1 << 16, out); });
}

// Pieces that share pages, which each thread gives back.
TEST(MappedBytes, ThreadsReadSideBySide) {
  const TempFolder folder;
  std::string text(1 << 20, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 % 251);
  write_text(folder / "f", text);
  const MappedBytes mapped(FileDescriptor::open_for_reading(folder / "f"), text.size());
  std::string read(text.size(), '\0');
  std::vector<std::thread> threads;
  constexpr size_t kPiece = 1000, kThreads = 4;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t at = thread * kPiece; at < text.size(); at += kThreads * kPiece) {
        const std::span<char> piece(read.data() + at, std::min(kPiece, text.size() - at));
        mapped.copy(at, std::as_writable_bytes(piece));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read, text);
}

}  // namespace
}  // namespace bt
