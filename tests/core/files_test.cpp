#include "bt/core/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = str(testing::TempDir(), "bt_files_test_", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  size_t file_count() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  std::string folder_;
};

ExitCode code_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::done;
}

TEST_F(FilesTest, WhatIsWrittenIsReadBack) {
  for (const std::string& bytes : {std::string(), std::string("a\0b\n", 4), std::string(300001, 'x')}) {
    write_file_atomically(path("f"), bytes);
    EXPECT_EQ(read_file(path("f")), bytes);
  }
  EXPECT_EQ(file_count(), 1u) << "temporary files are left";
}

TEST_F(FilesTest, MissingFilesAndFoldersAreBadFiles) {
  EXPECT_EQ(code_of([&] { read_file(path("missing")); }), ExitCode::bad_file);
  EXPECT_EQ(code_of([&] { read_file(path("missing/f")); }), ExitCode::bad_file);
  EXPECT_EQ(code_of([&] { read_file(folder_); }), ExitCode::bad_file);
}

TEST_F(FilesTest, TheSizeLimitIsExact) {
  write_file_atomically(path("f"), "12345");
  EXPECT_EQ(read_file(path("f"), 5), "12345");
  EXPECT_EQ(code_of([&] { read_file(path("f"), 4); }), ExitCode::bad_file);
}

// The size of a pipe is not known beforehand.
TEST_F(FilesTest, PipesAreReadToTheirEndAndLimited) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  const auto write_pipe = [this](const std::string& bytes) {
    FILE* out = std::fopen(path("pipe").c_str(), "w");
    std::fwrite(bytes.data(), 1, bytes.size(), out);
    std::fclose(out);
  };
  const std::string bytes(200000, 'y');
  std::thread long_writer(write_pipe, bytes);
  EXPECT_EQ(read_file(path("pipe"), bytes.size()), bytes);
  long_writer.join();

  std::thread short_writer(write_pipe, std::string(100, 'z'));
  EXPECT_EQ(code_of([&] { read_file(path("pipe"), 99); }), ExitCode::bad_file);
  short_writer.join();
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
  write_file_atomically(path("f"), "old");
  EXPECT_EQ(code_of([&] { write_file_atomically(path("no/f"), "new"); }), ExitCode::io);
  fs::create_directories(path("folder/inside"));
  EXPECT_EQ(code_of([&] { write_file_atomically(path("folder"), "new"); }), ExitCode::io);
  EXPECT_EQ(read_file(path("f")), "old");
  EXPECT_EQ(file_count(), 2u);
}

TEST_F(FilesTest, WhatCannotBeWrittenIsKnownBeforehand) {
  write_file_atomically(path("f"), "old");
  EXPECT_NO_THROW(check_writable_file(path("f")));
  EXPECT_NO_THROW(check_writable_file(path("new")));
  for (const std::string& no_file :
       {folder_, path("no/new"), path("f/new"), path(std::string(300, 'n')), std::string("/dev/null")}) {
    EXPECT_EQ(code_of([&] { check_writable_file(no_file); }), ExitCode::io) << no_file;
  }
  EXPECT_NO_THROW(check_writable_folder(folder_));
  EXPECT_NO_THROW(check_writable_folder(path("a/b/")));
  EXPECT_NO_THROW(check_writable_folder("bt_files_test_no_such_folder"));
  EXPECT_EQ(code_of([&] { check_writable_folder(path("f")); }), ExitCode::io);
  EXPECT_EQ(code_of([&] { check_writable_folder(path("f/a/b")); }), ExitCode::io);
  EXPECT_EQ(file_count(), 1u) << "a question has written";
}

TEST_F(FilesTest, TheReasonIsNamedOnceAndIsTheTrueOne) {
  write_file_atomically(path("f"), "x");
  errno = ENOTTY;  // of something that has nothing to do with it
  try {
    make_folders(path("f/a"));
    ADD_FAILURE() << "a folder below a file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::io);
    EXPECT_EQ(error.what(), path("f/a") + ": cannot make the folder: Not a directory");
  }
  EXPECT_NO_THROW(make_folders(path("a/b")));
  EXPECT_NO_THROW(make_folders(path("a/b"))) << "it is there";
  EXPECT_TRUE(fs::is_directory(path("a/b")));
}

TEST(Print, AFullDeviceIsAnIoErrorAtOnceAndEverAfter) {
  const auto print_to = [](const char* device) {
    EXPECT_NE(std::freopen(device, "w", stdout), nullptr);
    std::exit(static_cast<int>(code_of([] {
      try {
        print("text");
      } catch (const Error&) {
      }
      print("");
    })));
  };
  EXPECT_EXIT(print_to("/dev/full"), testing::ExitedWithCode(6), "");
  EXPECT_EXIT(print_to("/dev/null"), testing::ExitedWithCode(0), "");
}

TEST_F(FilesTest, SyncingWhatIsNotThereIsAnIoError) {
  write_file_atomically(path("f"), "x");
  EXPECT_NO_THROW(sync_file(path("f")));
  EXPECT_NO_THROW(sync_folder(folder_));
  EXPECT_EQ(code_of([&] { sync_file(path("missing")); }), ExitCode::io);
  EXPECT_EQ(code_of([&] { sync_folder(path("missing")); }), ExitCode::io);
  EXPECT_EQ(code_of([&] { sync_folder(path("f")); }), ExitCode::io) << "a file is no folder";
}

TEST_F(FilesTest, ConcurrentWritersNeverMixTheirBytes) {
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([this, letter] {
      for (int i = 0; i < 5; ++i) write_file_atomically(path("f"), std::string(50000, letter));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string bytes = read_file(path("f"));
  EXPECT_EQ(bytes, std::string(50000, bytes[0]));
  EXPECT_EQ(file_count(), 1u);
}

TEST(Crc32, GivesThePublishedCheckValue) {
  EXPECT_EQ(crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc32(""), 0u);
  EXPECT_EQ(crc32(std::string(32, '\0')), 0x190A55ADu);
}

TEST(Crc32, PiecesEqualTheWholeAtEverySplit) {
  std::string bytes;
  for (int i = 0; i < 41; ++i) bytes += static_cast<char>(i * 37);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    EXPECT_EQ(crc32(bytes.substr(cut), crc32(bytes.substr(0, cut))), crc32(bytes)) << cut;
  }
}

TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace bt
