// Batches of examples in an order that depends on (seed, epoch) alone, with a cursor that is two numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "bt/data/plan.h"

namespace bt {

struct LoaderOptions {
  int64_t batch_size = 16;  // examples
  uint64_t seed = 0;
  bool shuffle = true;
  // Batches of similar length: within this many consecutive batches' examples, sort by length and shuffle the batches.
  // 0 or 1: off.
  int64_t length_window = 0;
};

// Where the next batch begins: `index` examples of `epoch` have been given out.
struct LoaderCursor {
  int64_t epoch = 0, index = 0;
  friend bool operator==(const LoaderCursor&, const LoaderCursor&) = default;
};

class Loader {
 public:
  // `examples` must outlive the loader. ExitCode::usage for no examples or a batch size that is not 1 to 2^20.
  Loader(const std::vector<Example>& examples, const LoaderOptions& options);

  // The next batch_size examples, running on into the next epoch without a short batch: every example once an epoch.
  std::vector<Example> next();

  LoaderCursor cursor() const { return cursor_; }
  // Continues at a saved cursor as if never interrupted, without reading what came before. ExitCode::bad_file when it
  // does not fit this data.
  void seek(LoaderCursor cursor);

 private:
  void begin_epoch(int64_t epoch);
  void group_by_length();

  const std::vector<Example>* examples_;
  LoaderOptions options_;
  LoaderCursor cursor_;
  std::vector<int64_t> order_;  // of the cursor's epoch
};

}  // namespace bt
