// Training as an application: what `bt-train` runs once LibTorch is open. Torch-free.
#pragma once

#include <string>

#include "bt/core/config_node.h"

namespace bt {

struct TrainRequest {
  ConfigNode config;            // a run's YAML with overrides applied (options/train_options.h)
  std::string resume = "auto";  // auto | none | path
  bool dry_run = false;         // open and describe everything, write nothing
};

}  // namespace bt

// Trains as the TrainRequest says. Returns 0 when the run is complete or was stopped in good order; throws bt::Error.
extern "C" int bt_app_train(const void* request);
