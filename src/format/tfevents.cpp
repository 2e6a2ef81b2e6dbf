#include "bt/format/tfevents.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/format/crc32c.h"
#include "file_descriptor.h"
#include "protobuf.h"

namespace bt {
namespace {

// Field numbers of event.proto and summary.proto.
constexpr uint64_t kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5;
constexpr uint64_t kSummaryValue = 1, kValueTag = 1, kValueSimpleValue = 2;

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string event_path(const std::string& folder, int64_t seconds, std::string_view host) {
  std::array<char, 24> digits{};
  std::snprintf(digits.data(), digits.size(), "%010lld", static_cast<long long>(seconds));
  return (std::filesystem::path(folder) / str("events.out.tfevents.", digits.data(), ".", host)).string();
}

FileDescriptor create_event_file(const std::string& folder, double wall_time, std::string_view host,
                                 std::string& path) {
  make_folders(folder);
  for (auto seconds = static_cast<int64_t>(wall_time);; ++seconds) {
    path = event_path(folder, seconds, host);
    const int handle = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (handle >= 0) return FileDescriptor(handle, path);
    if (errno != EEXIST) fail_io({.what = "cannot create event file", .where = path});
  }
}

std::string scalar_event(int64_t step, std::span<const ScalarSummary> summaries, double wall_time) {
  std::string summary;
  for (const ScalarSummary& scalar : summaries) {
    std::string value;
    protobuf::append_bytes(value, kValueTag, scalar.tag);
    protobuf::append_float(value, kValueSimpleValue, scalar.value);
    protobuf::append_bytes(summary, kSummaryValue, value);
  }
  std::string event;
  protobuf::append_double(event, kEventWallTime, wall_time);
  protobuf::append_integer(event, kEventStep, step);
  protobuf::append_bytes(event, kEventSummary, summary);
  return event;
}

}  // namespace

struct EventWriter::File {
  FileDescriptor descriptor;
};

EventWriter::EventWriter(const std::string& folder, double wall_time, std::string_view host)
    : file_(std::make_unique<File>(File{create_event_file(folder, wall_time, host, path_)})) {
  std::string event;
  protobuf::append_double(event, kEventWallTime, wall_time);
  protobuf::append_bytes(event, kEventFileVersion, "brain.Event:2");
  write_record(event);
}

EventWriter::EventWriter(const std::string& folder) : EventWriter(folder, now(), host_name()) {}
EventWriter::~EventWriter() = default;

void EventWriter::write_scalars(int64_t step, std::span<const ScalarSummary> summaries, double wall_time) {
  write_record(scalar_event(step, summaries, wall_time));
}

void EventWriter::write_scalars(int64_t step, std::span<const ScalarSummary> summaries) {
  write_scalars(step, summaries, now());
}

// length, its checksum, the event, its checksum; in one write, so that a reader never sees a torn record for long.
void EventWriter::write_record(std::string_view event) {
  std::string record;
  protobuf::append_fixed(record, static_cast<uint64_t>(event.size()));
  protobuf::append_fixed(record, masked_crc32c(record));
  record += event;
  protobuf::append_fixed(record, masked_crc32c(event));
  file_->descriptor.write(record);
}

}  // namespace bt
