// What `bt-bench` is asked to do. Torch-free: filled and checked before LibTorch is opened.
#pragma once

#include <cstdint>
#include <string>

#include "bt/core/option_fields.h"

namespace bt {

struct BenchOptions final : Options {
  std::string filter;          // part of a bench's name; empty: all
  std::string json;            // file for the results; empty: none
  int64_t repetitions = 7;     // timed runs of every variant, after two that are not
  std::string clock = "wall";  // wall | cpu: time of the process, for one thread on a busy machine
  std::string scale = "auto";  // auto | small | large: auto is large on a GPU (80 GB), else small
  std::string device = "cpu";
  std::string dtype = "float32";
  int64_t threads = 0;  // 0: one per core
  void fields(OptionFields& f) override;
  // ExitCode::usage for a device's name that is none, or the cpu clock on another device.
  void validate() const override;
};

// `bt-bench load`: how fast a model's weights are read, and in how much memory.
struct LoadBenchOptions final : Options {
  std::string model;  // Hugging Face folder
  std::string json;
  int64_t repetitions = 7;  // timed rounds, after one that is not
  int64_t threads = 0;
  void fields(OptionFields& f) override;
};

// ExitCode::bad_file when the model folder is missing.
void check_files(const LoadBenchOptions& options);

}  // namespace bt
