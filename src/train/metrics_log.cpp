#include "bt/train/metrics_log.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

bool keeps(std::string_view line, int64_t last_step) {
  try {
    const Json object = Json::parse(line, "metrics.jsonl");
    const Json* step = object.find("step");
    return step != nullptr && step->fits_int() && step->as_int("step") <= last_step;
  } catch (const Error&) {
    return false;
  }
}

std::string lines_up_to(const std::string& text, int64_t last_step) {
  std::string kept;
  for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (keeps(line, last_step)) kept.append(line).append("\n");
  }
  return kept;
}

void add_curves(const std::string& tag, const Json& value, std::vector<ScalarSummary>& curves) {
  if (value.is_number()) curves.push_back({tag, static_cast<float>(value.as_double(tag))});
  if (!value.is_array()) return;
  const Json::Array& items = value.as_array(tag);
  for (size_t i = 0; i < items.size(); ++i) add_curves(str(tag, "/", i), items[i], curves);
}

}  // namespace

MetricsLog::MetricsLog(const std::string& folder, int64_t last_step, bool tensorboard)
    : path_(folder + "/metrics.jsonl") {
  if (std::filesystem::exists(path_)) {
    write_file_atomically(path_, last_step < 0 ? "" : lines_up_to(read_file(path_), last_step));
  }
  if (tensorboard) events_ = std::make_unique<EventWriter>(folder);
}

void MetricsLog::write(int64_t step, const std::string& prefix, const Json& figures) {
  Json line = Json::object({{"step", step}});
  std::vector<ScalarSummary> curves;
  for (const auto& [key, value] : figures.as_object("figures")) {
    line.set(key, value);
    add_curves(str(prefix, "/", key), value, curves);
  }
  errno = 0;
  std::ofstream file(path_, std::ios::app | std::ios::binary);
  file << line.dump() << "\n" << std::flush;
  if (!file) fail_io({.what = "cannot write", .where = path_});
  if (events_ != nullptr) events_->write_scalars(step, curves);
}

}  // namespace bt
