// The figures of a run: metrics.jsonl, one object a line, and the same numbers as TensorBoard curves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bt/core/json.h"
#include "bt/format/tfevents.h"

namespace bt {

class MetricsLog {
 public:
  // Keeps the lines of `folder`/metrics.jsonl up to `last_step` and drops later ones, which a killed run wrote past its
  // checkpoint, and a line cut short. last_step < 0: starts empty. ExitCode::io.
  MetricsLog(const std::string& folder, int64_t last_step, bool tensorboard);

  // Appends one line: "step", then the members of `figures`. Numbers become curves `prefix`/key, arrays of numbers
  // curves `prefix`/key/0, 1, … ExitCode::io.
  void write(int64_t step, const std::string& prefix, const Json& figures);

 private:
  std::string path_;
  std::unique_ptr<EventWriter> events_;  // null: no TensorBoard
};

}  // namespace bt
