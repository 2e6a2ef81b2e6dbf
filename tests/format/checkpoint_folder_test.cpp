#include "bt/format/checkpoint_folder.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "format_test_support.h"

namespace bt {
namespace {

namespace fs = std::filesystem;
using test::expect_bad_file;
using test::expect_error;
using test::names_in;
using test::read_text;
using test::TempFolder;
using test::write_text;

Checkpoint save(const std::string& folder, int64_t step, std::string_view text = "state") {
  CheckpointWriter writer(folder, step, 100);
  writer.add_bytes("state.json", text);
  write_text(writer.file_path("weights.safetensors"), str("weights of ", step));
  writer.add_file("weights.safetensors");
  return writer.commit();
}

std::vector<int64_t> steps_of(const std::vector<Checkpoint>& checkpoints) {
  std::vector<int64_t> steps;
  for (const Checkpoint& checkpoint : checkpoints) steps.push_back(checkpoint.step);
  return steps;
}

void flip_byte(const std::string& path, size_t at) {
  std::string text = read_text(path);
  text.at(at) = static_cast<char>(text.at(at) ^ 1);
  write_text(path, text);
}

TEST(CheckpointFolder, ACommittedCheckpointVerifiesAndIsFound) {
  const TempFolder run;
  const std::string folder = run / "checkpoints";  // made by the writer
  const Checkpoint saved = save(folder, 20);
  EXPECT_EQ(saved.path, folder + "/step_20");
  EXPECT_EQ(names_in(saved.path), (std::vector<std::string>{"manifest.json", "state.json", "weights.safetensors"}));
  EXPECT_EQ(names_in(folder), std::vector<std::string>{"step_20"});
  verify_checkpoint(saved.path);
  save(folder, 9);
  const auto latest = find_latest_checkpoint(folder);
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->step, 20);
  EXPECT_EQ(latest->path, saved.path);
}

TEST(CheckpointFolder, ManifestHasVersionSizesAndChecksums) {
  const TempFolder run;
  const Checkpoint saved = save(run.path(), 3, "123456789");
  const Json manifest = Json::parse_file(saved.path + "/manifest.json");
  EXPECT_EQ(manifest.at("format_version", "").as_int(""), 1);
  EXPECT_EQ(manifest.at("step", "").as_int(""), 3);
  const Json& file = manifest.at("files", "").as_array("")[0];
  EXPECT_EQ(file.at("name", "").as_string(""), "state.json");
  EXPECT_EQ(file.at("bytes", "").as_int(""), 9);
  EXPECT_EQ(file.at("crc32", "").as_int(""), 0xCBF43926);  // the check value of CRC-32
}

TEST(CheckpointFolder, ChecksumsSpanPiecesOfALargeFile) {
  const TempFolder run;
  std::string large(9'000'001, 'x');
  for (size_t i = 0; i < large.size(); i += 4096) large[i] = static_cast<char>(i >> 12);
  const Checkpoint saved = save(run.path(), 1, large);
  verify_checkpoint(saved.path);
  flip_byte(saved.path + "/state.json", 4'194'304);
  expect_bad_file({"state.json"}, [&] { verify_checkpoint(saved.path); });
}

TEST(CheckpointFolder, NothingIsFoundInAnEmptyOrMissingFolder) {
  const TempFolder run;
  EXPECT_FALSE(find_latest_checkpoint(run.path()));
  EXPECT_FALSE(find_latest_checkpoint(run / "absent"));
  EXPECT_TRUE(purge_checkpoints(run / "absent", {}).empty());
}

struct Damage {
  std::string name;
  void (*apply)(const std::string& checkpoint);
  std::string message;
};

class DamagedCheckpoint : public testing::TestWithParam<Damage> {};

TEST_P(DamagedCheckpoint, IsSkippedWithAWarningThatNamesIt) {
  const TempFolder run;
  save(run.path(), 10);
  const Checkpoint newest = save(run.path(), 20);
  GetParam().apply(newest.path);
  expect_bad_file({GetParam().message}, [&] { verify_checkpoint(newest.path); });
  testing::internal::CaptureStderr();
  const auto found = find_latest_checkpoint(run.path());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr(newest.path));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 10);
}

void edit_manifest(const std::string& checkpoint, const std::string& key, Json value) {
  Json manifest = Json::parse_file(checkpoint + "/manifest.json");
  manifest.set(key, std::move(value));
  write_text(checkpoint + "/manifest.json", manifest.dump());
}

INSTANTIATE_TEST_SUITE_P(
    Checkpoint, DamagedCheckpoint,
    testing::Values(
        Damage{"FlippedBit", [](const std::string& c) { flip_byte(c + "/state.json", 2); }, "state.json"},
        Damage{"Truncated", [](const std::string& c) { fs::resize_file(c + "/weights.safetensors", 3); }, "3 bytes"},
        Damage{"Longer", [](const std::string& c) { write_text(c + "/state.json", "state and more"); }, "14 bytes"},
        Damage{"MissingFile", [](const std::string& c) { fs::remove(c + "/weights.safetensors"); },
               "weights.safetensors"},
        Damage{"MissingManifest", [](const std::string& c) { fs::remove(c + "/manifest.json"); }, "manifest.json"},
        Damage{"EmptyManifest", [](const std::string& c) { write_text(c + "/manifest.json", ""); }, "manifest.json"},
        Damage{"OtherStep", [](const std::string& c) { edit_manifest(c, "step", 30); }, "another step"},
        Damage{"NewerVersion", [](const std::string& c) { edit_manifest(c, "format_version", 2); }, "newer"},
        Damage{"FileOutside",
               [](const std::string& c) {
                 edit_manifest(c, "files",
                               Json::parse(R"([{"name": "../step_10/state.json", "bytes": 5, "crc32": 0}])", ""));
               },
               "plain file name"},
        Damage{"FolderInsteadOfFile",
               [](const std::string& c) {
                 fs::remove(c + "/state.json");
                 fs::create_directory(c + "/state.json");
               },
               "state.json"}),
    [](const auto& test) { return test.param.name; });

TEST(CheckpointFolder, OnlyWholeNamesCount) {
  const TempFolder run;
  save(run.path(), 7);
  for (const char* name :
       {"step_", "step_8.tmp", "step_08", "step_-9", "step_9x", "step_99999999999999999999", "other"}) {
    fs::create_directory(run / name);
  }
  write_text(run / "step_11", "a file");
  EXPECT_EQ(steps_of(list_checkpoints(run.path())), std::vector<int64_t>{7});
}

TEST(CheckpointWriter, WithoutCommitNothingRemains) {
  const TempFolder run;
  {
    CheckpointWriter writer(run.path(), 5, 0);
    writer.add_bytes("state.json", "x");
    EXPECT_EQ(names_in(run.path()), std::vector<std::string>{"step_5.tmp"});
    EXPECT_FALSE(find_latest_checkpoint(run.path()));
  }
  EXPECT_TRUE(names_in(run.path()).empty());
}

TEST(CheckpointWriter, TakesOverWhatAKilledWriterLeft) {
  const TempFolder run;
  fs::create_directories(run / "step_5.tmp/inside");
  write_text(run / "step_5.tmp/old.bin", "left over");
  const Checkpoint saved = save(run.path(), 5);
  EXPECT_EQ(names_in(run.path()), std::vector<std::string>{"step_5"});
  EXPECT_EQ(names_in(saved.path), (std::vector<std::string>{"manifest.json", "state.json", "weights.safetensors"}));
}

constexpr std::chrono::microseconds kNever{-1};

// Runs `action` in a process of its own, which is killed after `delay` or kills itself.
template <class Action>
void run_and_kill(std::chrono::microseconds delay, Action&& action) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    action();
    ::_exit(1);
  }
  if (delay != kNever) {
    std::this_thread::sleep_for(delay);
    ::kill(child, SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(CheckpointWriter, AKillBetweenTheCallsLeavesTheLastCheckpoint) {
  const TempFolder run;
  save(run.path(), 10);
  for (int calls = 0; calls <= 2; ++calls) {
    run_and_kill(kNever, [&] {
      CheckpointWriter writer(run.path(), 20, 0);
      if (calls >= 1) writer.add_bytes("state.json", "unfinished");
      if (calls >= 2) write_text(writer.file_path("weights.safetensors"), "unfin");
      ::raise(SIGKILL);
    });
    EXPECT_EQ(names_in(run.path()), (std::vector<std::string>{"step_10", "step_20.tmp"}));
    EXPECT_EQ(find_latest_checkpoint(run.path())->step, 10);
  }
  save(run.path(), 20);
  EXPECT_EQ(find_latest_checkpoint(run.path())->step, 20);
}

// Kills at arbitrary moments of saving, replacing and purging: whatever has a checkpoint's name is whole.
TEST(CheckpointWriter, AKillAtAnyMomentLeavesOnlyWholeCheckpoints) {
  const TempFolder run;
  const std::string large(200'000, 'w');
  save(run.path(), 1, large);
  for (int round = 0; round < 40; ++round) {
    run_and_kill(std::chrono::microseconds(500 + 733 * round), [&] {
      for (int64_t step = 2;; ++step) {
        save(run.path(), step, large);
        save(run.path(), step, large);
        purge_checkpoints(run.path(), {.keep_last = 2});
      }
    });
    const std::vector<Checkpoint> checkpoints = list_checkpoints(run.path());
    ASSERT_FALSE(checkpoints.empty());
    for (const Checkpoint& checkpoint : checkpoints) verify_checkpoint(checkpoint.path);
  }
  save(run.path(), 1'000'000);
  purge_checkpoints(run.path(), {.keep_last = 1});
  EXPECT_EQ(names_in(run.path()), std::vector<std::string>{"step_1000000"});
}

// A limit on the size of files stands in for a full disk: write() fails in the middle.
TEST(CheckpointWriter, AFailedWriteIsAnIoErrorAndLeavesTheLastCheckpoint) {
  const TempFolder run;
  save(run.path(), 10);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto previous = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ExitCode::io, {"state.json", "disk space"}, [&] { save(run.path(), 20, std::string(5000, 'x')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, previous);
  EXPECT_EQ(names_in(run.path()), std::vector<std::string>{"step_10"});
  EXPECT_EQ(find_latest_checkpoint(run.path())->step, 10);
}

TEST(CheckpointWriter, ReplacesADamagedCheckpointOfTheSameStep) {
  const TempFolder run;
  const Checkpoint first = save(run.path(), 5, "first");
  flip_byte(first.path + "/state.json", 0);
  const Checkpoint second = save(run.path(), 5, "second");
  verify_checkpoint(second.path);
  EXPECT_EQ(read_text(second.path + "/state.json"), "second");
  EXPECT_EQ(names_in(run.path()), std::vector<std::string>{"step_5"});
}

TEST(CheckpointWriter, ChecksTheDiskSpaceBeforeWriting) {
  const TempFolder run;
  expect_error(ExitCode::io, {"disk space", "free"},
               [&] { CheckpointWriter writer(run.path(), 5, uint64_t{1} << 60); });
  EXPECT_TRUE(names_in(run.path()).empty());
}

TEST(CheckpointWriter, AFolderThatCannotBeMadeIsAnIoError) {
  const TempFolder run;
  write_text(run / "file", "");
  expect_error(ExitCode::io, {"file"}, [&] { CheckpointWriter writer(run / "file", 5, 0); });
}

TEST(CheckpointWriter, MisuseIsAnAssertion) {
  const TempFolder run;
  CheckpointWriter writer(run.path(), 5, 0);
  writer.add_bytes("a", "1");
  EXPECT_THROW(writer.add_file("a"), std::logic_error);
  EXPECT_THROW(writer.add_file("never written"), std::logic_error);
  EXPECT_THROW(writer.add_bytes("../a", "1"), std::logic_error);
  EXPECT_THROW(writer.add_bytes("manifest.json", "1"), std::logic_error);
  writer.commit();
  EXPECT_THROW(writer.add_bytes("b", "1"), std::exception);
  EXPECT_THROW(writer.commit(), std::logic_error);
}

TEST(PurgeCheckpoints, KeepsTheLastTheMilestonesAndTheBest) {
  const TempFolder run;
  for (const int64_t step : {10, 20, 25, 30, 40, 50, 55}) save(run.path(), step);
  const auto removed = purge_checkpoints(run.path(), {.keep_last = 2, .keep_every = 20, .best_step = 30});
  EXPECT_EQ(steps_of(removed), (std::vector<int64_t>{10, 25}));
  EXPECT_EQ(steps_of(list_checkpoints(run.path())), (std::vector<int64_t>{20, 30, 40, 50, 55}));
  EXPECT_EQ(names_in(run.path()).size(), 5u);
}

TEST(PurgeCheckpoints, RemovesLeftoversButNothingElse) {
  const TempFolder run;
  save(run.path(), 10);
  for (const char* name : {"step_4.tmp", "step_6.old.tmp", "notes.tmp", "step_x.tmp"}) fs::create_directory(run / name);
  purge_checkpoints(run.path(), {.keep_last = 3});
  EXPECT_EQ(names_in(run.path()), (std::vector<std::string>{"notes.tmp", "step_10", "step_x.tmp"}));
}

TEST(PurgeCheckpoints, RemovesNothingWhileTheNewestIsDamaged) {
  const TempFolder run;
  save(run.path(), 10);
  save(run.path(), 20);
  flip_byte(save(run.path(), 30).path + "/state.json", 0);
  EXPECT_TRUE(purge_checkpoints(run.path(), {.keep_last = 1}).empty());
  EXPECT_EQ(steps_of(list_checkpoints(run.path())), (std::vector<int64_t>{10, 20, 30}));
}

}  // namespace
}  // namespace bt
