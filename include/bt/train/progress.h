// How far a run is: one line that rewrites itself on a terminal, plain lines elsewhere. On standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bt {

struct ProgressFigures {
  int64_t step = 0, total_steps = 0;
  double loss = 0, lr = 0;
  double tokens_per_s = 0;
  int64_t memory_bytes = 0;
  double seconds_left = 0;
};

// "120/3000  loss 1.234  lr 1.0e-03  5.2k tok/s  1.2 GiB  ETA 3:20"
std::string progress_text(const ProgressFigures& figures);
std::string duration_text(double seconds);  // "45 s", "3:20", "1:02:07"

// Shows it, and measures the speed since begin().
class Progress {
 public:
  // step, tokens: counts at the start.
  void begin(int64_t step, int64_t tokens);
  // Ends the terminal's line; call before other output.
  void finish_line();
  // is_logged: a plain line is due where there is no terminal.
  void show(const ProgressFigures& figures, bool is_logged);

  double elapsed_s() const;                   // since begin
  double tokens_per_s(int64_t tokens) const;  // since begin
  double seconds_left(int64_t step, int64_t total_steps) const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  int64_t first_step_ = 0, first_tokens_ = 0;
  bool line_is_open_ = false;
};

}  // namespace bt
