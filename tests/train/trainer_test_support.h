// Trainers of every method on a few problems.
#pragma once

#include <string>

#include "bt/core/error.h"
#include "bt/core/log.h"
#include "train/train_test_support.h"

namespace bt {

class TrainerTest : public TrainTest {
 protected:
  void SetUp() override {
    TrainTest::SetUp();
    log::set_level(log::Level::warning);
  }

  std::string config_of(const std::string& method) {
    if (method == "sft") return sft_config();
    make_model();
    if (method == "bt") return bt_config();
    if (method == "recent_only") return recent_only_config();
    if (method == "lora") return lora_config();
    if (method == "bt_with_backbone") {
      return latent_config(
          "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, train_backbone: "
          "true, "
          "gates: head, share_layers: true}");
    }
    if (method == "bt_learned_calls") {
      return latent_config(
          "{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, calls: learned, "
          "call_cost: 0.2, rewrite_lag: 1}");
    }
    if (method == "bt_entropy" || method == "bt_entropy_live") {
      return latent_config(
          str("{method: bt, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20, gate_init: 0, "
              "trigger: {kind: entropy, threshold: 2.5, min_step_tokens: 3, boundaries: ",
              method == "bt_entropy" ? "precomputed" : "live", "}}"));
    }
    if (method == "append_rows")
      return latent_config("{method: append_rows, recall: 3, recent: 6, width: 12, heads: 2, feed_forward: 20}");
    if (method == "rollout") return latent_config("{method: rollout, latents: 2, stage_steps: 3}");
    if (method == "pause") return latent_config("{method: pause, deviation: 0.5}");
    if (method == "dca") return dca_config("copy");
    if (method == "dca_with_gate") return dca_config("copy, calls: learned, call_cost: 0.1");
    if (method == "dca_with_adapters") return dca_config("lora, rank: 4");
    if (method == "dca_from_scratch") return dca_config("scratch, width: 12, feed_forward: 20");
    return latent_config("{method: " + method + "}");
  }

  std::string dca_config(const std::string& coprocessor) const {
    return latent_config(
        "{method: dca, latents: 3, ahead: 5, places: 8, train_lag: [0, 2], coprocessor: " + coprocessor + "}");
  }

  template <class Action>
  Error error_of(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ExitCode::done, {});
  }
};

}  // namespace bt
