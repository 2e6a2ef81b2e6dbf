// TensorBoard event files with scalar curves, without TensorFlow: TFRecord framing around hand-encoded `Event` messages
// (tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bt {

struct ScalarSummary {
  std::string tag;  // "train/loss"
  float value = 0;  // NaN and infinity are kept
};

// Appends to a new file of its own. Every call hands its record to the system, so a killed process loses none.
class EventWriter {
 public:
  // Creates folder/events.out.tfevents.<seconds>.<host> (and `folder`); a taken name moves on to the next second.
  // wall_time: seconds since 1970. ExitCode::io.
  EventWriter(const std::string& folder, double wall_time, std::string_view host);
  explicit EventWriter(const std::string& folder);  // now, on this host
  ~EventWriter();

  const std::string& path() const { return path_; }
  // One point per summary, all at `step`. ExitCode::io.
  void write_scalars(int64_t step, std::span<const ScalarSummary> summaries, double wall_time);
  void write_scalars(int64_t step, std::span<const ScalarSummary> summaries);  // now

 private:
  struct File;
  void write_record(std::string_view event);

  std::string path_;
  std::unique_ptr<File> file_;
};

}  // namespace bt
