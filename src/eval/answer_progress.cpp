#include "answer_progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "bt/core/log.h"
#include "bt/core/strings.h"
#include "bt/train/progress.h"

namespace bt {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

AnswerProgress::AnswerProgress(std::string task, int64_t answers)
    : task_(std::move(task)), answers_(answers), on_terminal_(isatty(STDERR_FILENO) == 1) {}

AnswerProgress::~AnswerProgress() {
  if (on_terminal_ && done_ > 0) std::fputc('\n', stderr);
}

void AnswerProgress::add(size_t tokens) {
  ++done_;
  tokens_ += tokens;
  constexpr double kPlainLineSeconds = 10;
  const double seconds = seconds_since(start_);
  const bool due = done_ == answers_ || seconds - last_line_ >= kPlainLineSeconds;
  if (on_terminal_) std::fprintf(stderr, "\r\033[K%s", text(seconds).c_str());
  if (on_terminal_ || !due) return;
  log::info(text(seconds));
  last_line_ = seconds;
}

std::string AnswerProgress::text(double seconds) const {
  const double left = seconds * static_cast<double>(answers_ - done_) / static_cast<double>(done_);
  return str(task_, "  ", done_, "/", answers_, " answers  ",
             std::llround(static_cast<double>(tokens_) / std::max(seconds, 1e-9)), " tok/s  ETA ", duration_text(left));
}

}  // namespace bt
