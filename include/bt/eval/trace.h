// What a rewriting method does at every boundary of a decoding run, written down as it happens.
#pragma once

#include <memory>
#include <string>

#include "bt/eval/inference_model.h"

namespace bt {

// Puts itself between the engine and the model's method for as long as the model lives. One line an event:
//   {"request": 0, "boundary": 2, "layers": [{"recent": [9, 10], "recalled": [0, 4], "size": 0.013}, ...]}
// rows are cache rows; size is |gate * delta| / |u| over the rows of the layer. Cost: one copy to the host per event.
class Trace {
 public:
  // ExitCode::usage for a model without a method that rewrites.
  explicit Trace(InferenceModel& model);
  const std::string& lines() const;
  // Writes trace.jsonl, making the folder if it is missing. ExitCode::io.
  void write(const std::string& folder) const;

 private:
  std::shared_ptr<std::string> lines_;
};

}  // namespace bt
