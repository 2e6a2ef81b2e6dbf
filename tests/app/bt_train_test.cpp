// bt-train as a user runs it: exit codes, kills and signals, what it leaves behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bt/core/files.h"
#include "bt/core/random.h"
#include "train/train_test_support.h"

namespace bt {
namespace {

using ::testing::HasSubstr;

class BtTrainTest : public TrainTest {
 protected:
  void SetUp() override {
    TrainTest::SetUp();
    ASSERT_TRUE(std::filesystem::exists(kProgram)) << "build the target `tools` first";
    write("run.yaml", sft_config());
  }

  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

  // Starts the program; its standard output and error go to output.txt.
  pid_t start(std::vector<std::string> arguments, rlim_t address_space = RLIM_INFINITY) const {
    const pid_t child = fork();
    if (child != 0) return child;
    const int output = open_output();
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    const rlimit limit{address_space, address_space};
    setrlimit(RLIMIT_AS, &limit);
    std::vector<char*> argv = {const_cast<char*>(kProgram)};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(kProgram, argv.data());
    _exit(127);
  }

  // Exit code, or 128 + the signal that ended it.
  static int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  int run(const std::vector<std::string>& arguments) const { return wait(start(arguments)); }
  std::string output() const { return read_file(path("output.txt")); }

  // Waits until the run has logged `lines` lines; false when it ended before.
  bool wait_for_metrics(const std::string& run_folder, size_t lines, pid_t child) const {
    for (;;) {
      if (figures_count(run_folder) >= lines) return true;
      if (has_ended(child)) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  static constexpr const char* kProgram = BT_BINARY_DIR "/bin/bt-train";

 private:
  int open_output() const { return ::open(path("output.txt").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644); }
  static bool has_ended(pid_t child) {
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == child;
  }
  static size_t figures_count(const std::string& run_folder) {
    std::ifstream file(run_folder + "/metrics.jsonl");
    size_t lines = 0;
    for (std::string line; std::getline(file, line);) ++lines;
    return lines;
  }
};

TEST_F(BtTrainTest, TrainsAndLeavesWhatTheContractNames) {
  ASSERT_EQ(run({path("run.yaml"), "log.tensorboard=true"}), 0) << output();
  for (const char* name : {"config.resolved.yaml", "metrics.jsonl", "checkpoints/step_9/manifest.json",
                           "final/config.json", "final/model.safetensors", "best/config.json"}) {
    EXPECT_TRUE(std::filesystem::exists(path("run/") + name)) << name;
  }
  const ConfigNode resolved = parse_yaml_file(path("run/config.resolved.yaml"));
  EXPECT_EQ(resolved.find("train")->find("steps")->scalar, "9");
  EXPECT_THAT(output(), HasSubstr("9/9"));
  EXPECT_EQ(run({path("run.yaml"), "log.tensorboard=true"}), 0);
  EXPECT_THAT(output(), HasSubstr("nothing to do"));
}

TEST_F(BtTrainTest, KilledAtAnyStepAndResumedEqualsUninterrupted) {
  const std::vector<std::string> common = {path("run.yaml"), "train.steps=40", "checkpoint.every=4"};
  const auto with_out = [&](const std::string& name) {
    std::vector<std::string> arguments = common;
    arguments.push_back("run.out=" + path(name));
    return arguments;
  };
  ASSERT_EQ(run(with_out("straight")), 0) << output();
  for (const size_t lines : {3, 9, 26}) {
    const std::string out = "killed_" + std::to_string(lines);
    const pid_t child = start(with_out(out));
    ASSERT_TRUE(wait_for_metrics(path(out), lines, child)) << output();
    kill(child, SIGKILL);
    EXPECT_EQ(wait(child), 128 + SIGKILL);
    ASSERT_EQ(run(with_out(out)), 0) << output();
    EXPECT_EQ(figures(path(out)), figures(path("straight"))) << out;
    EXPECT_EQ(read_file(path(out + "/final/model.safetensors")), read_file(path("straight/final/model.safetensors")))
        << out;
  }
}

using FullBtTrainTest = BtTrainTest;

// Kills at any moment, while files are written too: what counts is that a checkpoint is whole or absent.
TEST_F(FullBtTrainTest, KilledAtRandomMomentsAgainAndAgainEqualsUninterrupted) {
  std::vector<std::string> arguments = {path("run.yaml"), "train.steps=400", "checkpoint.every=1",
                                        "checkpoint.keep_last=2"};
  const std::string straight = path("straight"), killed = path("killed");
  arguments.push_back("run.out=" + straight);
  ASSERT_EQ(run(arguments), 0) << output();
  arguments.back() = "run.out=" + killed;
  CounterRng rng(1, stream_id("kills"));
  int kills = 0;
  for (int result = 1; result != 0;) {
    const pid_t child = start(arguments);
    std::this_thread::sleep_for(std::chrono::milliseconds(600 + rng.below(900)));
    kill(child, SIGKILL);
    result = wait(child);
    ASSERT_TRUE(result == 0 || result == 128 + SIGKILL) << output();
    kills += result == 0 ? 0 : 1;
    ASSERT_LT(kills, 100) << "no progress between kills: " << output();
  }
  EXPECT_GT(kills, 0);
  EXPECT_EQ(figures(killed), figures(straight)) << kills << " kills";
  EXPECT_EQ(read_file(killed + "/final/model.safetensors"), read_file(straight + "/final/model.safetensors"));
}

TEST_F(BtTrainTest, ASignalSavesEndsWithZeroAndTheRunGoesOn) {
  const std::vector<std::string> arguments = {path("run.yaml"), "train.steps=60", "checkpoint.every=0"};
  ASSERT_EQ(run({arguments[0], arguments[1], arguments[2], "run.out=" + path("straight")}), 0) << output();
  for (const int number : {SIGINT, SIGTERM}) {
    std::filesystem::remove_all(path("run"));
    const pid_t child = start(arguments);
    ASSERT_TRUE(wait_for_metrics(path("run"), 2, child)) << output();
    kill(child, number);
    EXPECT_EQ(wait(child), 0) << output();
    EXPECT_THAT(output(), HasSubstr("stopped after step"));
    EXPECT_FALSE(std::filesystem::exists(path("run/final")));
    ASSERT_EQ(run(arguments), 0) << output();
    EXPECT_THAT(output(), HasSubstr("resumed at step"));
    EXPECT_EQ(figures(path("run")), figures(path("straight")));
  }
}

TEST_F(BtTrainTest, GoesOnInAnotherFolderWhereNoOtherRunIs) {
  const std::string config = path("run.yaml"), whole = path("whole");
  const std::vector<std::string> common = {config, "train.steps=6", "checkpoint.every=3", "log.tensorboard=false"};
  const auto with = [&](const std::string& out, const std::string& resume) {
    std::vector<std::string> arguments = common;
    arguments.insert(arguments.end(), {"run.out=" + out, "--resume", resume});
    return run(arguments);
  };
  ASSERT_EQ(with(whole, "none"), 0) << output();
  ASSERT_EQ(with(path("elsewhere"), whole + "/checkpoints/step_3"), 0) << output();
  EXPECT_THAT(output(), HasSubstr("resumed at step 3"));
  EXPECT_EQ(read_file(path("elsewhere/final/model.safetensors")), read_file(whole + "/final/model.safetensors"));
  EXPECT_THAT(read_file(path("elsewhere/metrics.jsonl")), ::testing::Not(HasSubstr("\"step\":3,")));
  std::filesystem::remove_all(path("elsewhere/final"));
  ASSERT_EQ(with(path("elsewhere"), whole + "/checkpoints/step_3"), 0) << "the same command, once stopped";
  EXPECT_THAT(output(), HasSubstr("resumed at step 6"));

  ASSERT_EQ(run({config, "train.steps=2", "run.out=" + path("other")}), 0) << output();
  write("other/events.out.tfevents.1.host", "kept");
  const std::string before = read_file(path("other/metrics.jsonl"));
  EXPECT_EQ(with(path("other"), whole + "/checkpoints/step_3"), 2);
  EXPECT_THAT(output(), HasSubstr("run.out holds another run"));
  EXPECT_EQ(read_file(path("other/metrics.jsonl")), before);
  EXPECT_EQ(read_file(path("other/events.out.tfevents.1.host")), "kept");
}

TEST_F(BtTrainTest, AnotherRunsResultsStay) {
  const std::string config = path("run.yaml"), out = path("run"), best = out + "/best/model.safetensors";
  const auto train = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {config, "train.steps=4", "train.validate_every=2", "checkpoint.every=0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  ASSERT_EQ(train({}), 0) << output();
  std::filesystem::remove_all(out + "/checkpoints");
  std::filesystem::remove_all(out + "/final");  // as a run leaves it that was killed before its first checkpoint
  const std::string before = read_file(best);
  EXPECT_EQ(train({"train.lr=0.5"}), 2);
  EXPECT_THAT(output(), HasSubstr("run.out holds another run"));
  EXPECT_EQ(read_file(best), before);
  const auto evict_on = [&](const std::string& model, const std::string& resume) {
    write("evict.yaml", common_config() + "model: {path: " + model + "}\nlatent: {method: evict}\n");
    return run({path("evict.yaml"), "train.steps=0", "--resume", resume});
  };
  std::filesystem::copy(out + "/best", path("base"), std::filesystem::copy_options::recursive);
  EXPECT_EQ(evict_on(path("base"), "auto"), 2) << "a method without steps";
  EXPECT_THAT(output(), HasSubstr("run.out holds another run"));
  EXPECT_EQ(evict_on(out + "/best", "none"), 2);
  EXPECT_THAT(output(), HasSubstr("replace the model that it starts from"));
  EXPECT_EQ(read_file(best), before);
  EXPECT_EQ(train({}), 0) << output();
  EXPECT_EQ(read_file(best), before);
}

TEST_F(BtTrainTest, OneProcessTrainsInAFolder) {
  const std::vector<std::string> arguments = {path("run.yaml"), "train.steps=10000", "checkpoint.every=0"};
  const pid_t child = start(arguments);
  ASSERT_TRUE(wait_for_metrics(path("run"), 1, child)) << output();
  EXPECT_EQ(run(arguments), 2);
  EXPECT_THAT(output(), HasSubstr("another process trains in this folder"));
  kill(child, SIGKILL);
  wait(child);
}

TEST_F(BtTrainTest, DryRunDescribesAndWritesNothing) {
  EXPECT_EQ(run({path("run.yaml"), "--dry-run", "--train.lr=0.5"}), 0) << output();
  EXPECT_THAT(output(), ::testing::AllOf(HasSubstr("lr: 0.5"), HasSubstr("parameters"), HasSubstr("optimiser"),
                                         HasSubstr("14 examples")));
  EXPECT_FALSE(std::filesystem::exists(path("run")));
}

TEST_F(BtTrainTest, MistakesInTheConfigAreExitTwoWithPlaceAndRemedy) {
  write("bad.yaml", sft_config() + "latent:\n  method: bt\n  recal: 3\n");
  EXPECT_EQ(run({path("bad.yaml")}), 2);
  EXPECT_THAT(output(),
              ::testing::AllOf(HasSubstr("bad.yaml:9:3"), HasSubstr("latent.recal"), HasSubstr("\"recall\"")));
  EXPECT_EQ(run({path("missing.yaml")}), 2);
  EXPECT_EQ(run({path("run.yaml"), "train.lrr=1"}), 2);
  EXPECT_EQ(run({path("run.yaml"), "--no-such-flag"}), 2);
  EXPECT_EQ(run({}), 2);
}

TEST_F(BtTrainTest, MissingFilesAreExitThree) {
  EXPECT_EQ(run({path("run.yaml"), "data.train=[" + path("none.jsonl") + "]"}), 3) << output();
  EXPECT_THAT(output(), HasSubstr("none.jsonl"));
  write("model.yaml", latent_config("{method: bt}"));
  EXPECT_EQ(run({path("model.yaml")}), 3) << output();
}

TEST_F(BtTrainTest, NonFiniteLossIsExitFour) {
  EXPECT_EQ(run({path("run.yaml"), "train.lr=1e30", "train.clip_norm=0"}), 4) << output();
  EXPECT_THAT(output(), HasSubstr("train.lr"));
}

TEST_F(BtTrainTest, MemoryThatRunsOutIsExitFiveWithWhereItGoesAndWhatToChange) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer needs more addresses than this test allows";
#endif
  constexpr rlim_t kSixGigabytes = rlim_t{6} << 30;  // the weights' size, so that they do not fit beside the program
  EXPECT_EQ(wait(start({path("run.yaml"), "model.hidden_size=64", "model.layers=8", "model.intermediate_size=1048576"},
                       kSixGigabytes)),
            5)
      << output();
  EXPECT_THAT(output(), ::testing::AllOf(HasSubstr("cpu, "), HasSubstr("weights 6.0 GiB"),
                                         HasSubstr("optimiser 12.0 GiB"), HasSubstr("can't allocate memory"),
                                         HasSubstr("for less activations: train.batch_size")));
}

TEST_F(BtTrainTest, AFolderThatCannotBeWrittenIsExitSix) {
  write("file", "x");
  EXPECT_EQ(run({path("run.yaml"), "run.out=" + path("file/run")}), 6) << output();
  EXPECT_THAT(output(), HasSubstr("file/run"));
}

TEST_F(BtTrainTest, HelpListsEveryKeyAndVersionNamesTheBuild) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(output(),
              ::testing::AllOf(HasSubstr("Examples"), HasSubstr("train.bptt_steps"), HasSubstr("latent.recall")));
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_THAT(output(), ::testing::StartsWith("bt-train "));
}

}  // namespace
}  // namespace bt
