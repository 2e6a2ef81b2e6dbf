// Finds stop strings in text that arrives piece by piece, also where one begins in one token and ends in the next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bt {

class StopScanner {
 public:
  explicit StopScanner(std::vector<std::string> stops);  // empty strings are left out

  // True: the text so far holds a stop string. Cost: the piece and the longest stop string.
  bool push(std::string_view piece);

 private:
  std::vector<std::string> stops_;
  size_t longest_ = 0;
  std::string tail_;  // the end of the text that a stop string may begin in
};

}  // namespace bt
