// Stop strings in text that arrives piece by piece: where the text ends, and what of it may be shown so far.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bt {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops);  // empty strings are left out

  // What may be shown now: the text so far, but for what was shown and for an end that may yet become a stop string. A
  // stop string is never shown, nor anything behind it. Cost: the piece and the stop strings.
  std::string push(std::string_view piece);
  bool stopped() const { return stopped_; }  // the text so far holds a stop string
  std::string finish();                      // what was held back, once no piece will follow

 private:
  size_t undecided() const;

  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace bt
