// How far an evaluation is, on standard error: one line that rewrites itself on a terminal, a line every ten
// seconds elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bt {

class AnswerProgress {
 public:
  AnswerProgress(std::string task, int64_t answers);
  ~AnswerProgress();  // ends the terminal's line
  AnswerProgress(const AnswerProgress&) = delete;
  AnswerProgress& operator=(const AnswerProgress&) = delete;
  void add(size_t tokens);  // one more answer

 private:
  std::string text(double seconds) const;

  std::string task_;
  int64_t answers_, done_ = 0;
  size_t tokens_ = 0;
  bool on_terminal_;
  double last_line_ = 0;  // seconds after the start
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace bt
