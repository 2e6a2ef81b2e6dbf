#include "bt/train/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "bt/core/log.h"
#include "bt/train/memory.h"

namespace bt {
namespace {

bool on_terminal() {
  static const bool is_terminal = isatty(STDERR_FILENO) == 1;
  return is_terminal;
}

std::string rate_text(double per_second) {
  std::array<char, 32> text{};
  if (per_second < 1000)
    std::snprintf(text.data(), text.size(), "%.0f tok/s", per_second);
  else if (per_second < 1e6)
    std::snprintf(text.data(), text.size(), "%.1fk tok/s", per_second / 1e3);
  else
    std::snprintf(text.data(), text.size(), "%.2fM tok/s", per_second / 1e6);
  return text.data();
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  std::array<char, 48> text{};
  const long long hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  if (whole < 60)
    std::snprintf(text.data(), text.size(), "%lld s", rest);
  else if (hours == 0)
    std::snprintf(text.data(), text.size(), "%lld:%02lld", minutes, rest);
  else
    std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", hours, minutes, rest);
  return text.data();
}

std::string progress_text(const ProgressFigures& figures) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "%lld/%lld  loss %.4f  lr %.1e  ", static_cast<long long>(figures.step),
                static_cast<long long>(figures.total_steps), figures.loss, figures.lr);
  return text.data() + rate_text(figures.tokens_per_s) + "  " + bytes_text(figures.memory_bytes) + "  ETA " +
         duration_text(figures.seconds_left);
}

void Progress::begin(int64_t step, int64_t tokens) {
  start_ = Clock::now();
  first_step_ = step;
  first_tokens_ = tokens;
}

void Progress::finish_line() {
  if (line_is_open_) std::fputc('\n', stderr);
  line_is_open_ = false;
}

void Progress::show(const ProgressFigures& figures, bool is_logged) {
  if (on_terminal()) {
    std::fprintf(stderr, "\r\033[K%s", progress_text(figures).c_str());
    line_is_open_ = true;
  } else if (is_logged) {
    log::info(progress_text(figures));
  }
}

double Progress::elapsed_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

double Progress::tokens_per_s(int64_t tokens) const {
  return static_cast<double>(tokens - first_tokens_) / std::max(elapsed_s(), 1e-9);
}

double Progress::seconds_left(int64_t step, int64_t total_steps) const {
  const int64_t made = std::max<int64_t>(1, step - first_step_);
  return elapsed_s() * static_cast<double>(total_steps - step) / static_cast<double>(made);
}

}  // namespace bt
