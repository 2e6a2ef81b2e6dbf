#include "bt/eval/stop_scanner.h"

#include <algorithm>

namespace bt {

StopScanner::StopScanner(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");
  for (const std::string& stop : stops_) longest_ = std::max(longest_, stop.size());
}

bool StopScanner::push(std::string_view piece) {
  if (stops_.empty()) return false;
  tail_ += piece;
  const bool found = std::any_of(stops_.begin(), stops_.end(),
                                 [&](const std::string& stop) { return tail_.find(stop) != std::string::npos; });
  if (tail_.size() >= longest_) tail_.erase(0, tail_.size() - (longest_ - 1));
  return found;
}

}  // namespace bt
