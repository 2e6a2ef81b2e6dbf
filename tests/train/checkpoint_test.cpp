#include "bt/train/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"

namespace bt {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static TrainState state() {
    TrainState out;
    out.step = 12;
    out.tokens = 3456;
    out.optimiser_steps = 11;
    out.skipped_in_a_row = 1;
    out.flops = 2.5e19;
    out.elapsed_s = 1.5;
    out.training_s = 1.25;
    out.best_loss = 0.1 + 0.2;
    out.best_step = 9;
    out.cursor = Json::object({{"epoch", 2}, {"index", 7}});
    out.config_sha256 = "abc";
    out.data_sha256 = {"d", "e"};
    return out;
  }
  static TrainTensors tensors(double value) {
    return {{{"w", at::full({3, 2}, value)}, {"scale", at::full({5}, value, at::kDouble)}},
            {{"0.exp_avg", at::full({6}, value)}}};
  }
  Error error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ExitCode::done, {});
  }
  const std::string folder_ = ::testing::TempDir() + "bt_train_checkpoint_" + std::to_string(::getpid());
};

TEST_F(CheckpointTest, LoadingGivesWhatWasSaved) {
  save_checkpoint(folder_, state(), tensors(3), "a: 1\n");
  const TrainTensors into = tensors(0);
  const TrainState loaded = load_checkpoint(folder_ + "/step_12", into);
  EXPECT_EQ(loaded.json(), state().json());
  EXPECT_TRUE(at::equal(into.parameters[0].second, at::full({3, 2}, 3.0)));
  EXPECT_TRUE(at::equal(into.parameters[1].second, at::full({5}, 3.0, at::kDouble)));
  EXPECT_TRUE(at::equal(into.optimiser[0].second, at::full({6}, 3.0)));
}

TEST_F(CheckpointTest, TensorsThatDoNotFitAreNamed) {
  save_checkpoint(folder_, state(), tensors(3), "a: 1\n");
  TrainTensors other = tensors(0);
  other.parameters[0].second = at::zeros({2, 3});
  const Error shape = error_of([&] { load_checkpoint(folder_ + "/step_12", other); });
  EXPECT_EQ(shape.code(), ExitCode::bad_file);
  EXPECT_THAT(shape.what(), ::testing::AllOf(::testing::HasSubstr("w"), ::testing::HasSubstr("[2, 3]"),
                                             ::testing::HasSubstr("[3, 2]")));
  other = tensors(0);
  other.parameters.pop_back();
  EXPECT_THAT(error_of([&] { load_checkpoint(folder_ + "/step_12", other); }).what(), ::testing::HasSubstr("scale"));
  other = tensors(0);
  other.parameters.emplace_back("more", at::zeros({1}));
  EXPECT_THAT(error_of([&] { load_checkpoint(folder_ + "/step_12", other); }).what(), ::testing::HasSubstr("more"));
}

TEST_F(CheckpointTest, AnEmptySetOfTensorsIsAFileToo) {
  save_checkpoint(folder_, state(), {}, "a: 1\n");
  EXPECT_EQ(load_checkpoint(folder_ + "/step_12", {}).step, 12);
}

TEST_F(CheckpointTest, StateOfAnotherVersionOrWithBadCountsIsRefused) {
  Json json = state().json();
  json.set("format_version", 2);
  EXPECT_EQ(error_of([&] { TrainState::parse(json, "state.json"); }).code(), ExitCode::bad_file);
  json = state().json();
  json.set("step", -1);
  EXPECT_THAT(error_of([&] { TrainState::parse(json, "state.json"); }).what(),
              ::testing::HasSubstr("state.json: step"));
}

TEST_F(CheckpointTest, ConfigMayDifferOnlyWhereNothingDependsOnIt) {
  save_checkpoint(folder_, state(), {}, "run: {out: a, seed: 1}\nlog: {every: 1}\n");
  EXPECT_NO_THROW(check_same_config(folder_ + "/step_12", "run: {out: b, seed: 1}\nlog: {every: 5}\n"));
  const Error error =
      error_of([&] { check_same_config(folder_ + "/step_12", "run: {out: a, seed: 2}\nlog: {every: 1}\n"); });
  EXPECT_EQ(error.code(), ExitCode::usage);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("run.seed: 1 -> 2"));
}

}  // namespace
}  // namespace bt
