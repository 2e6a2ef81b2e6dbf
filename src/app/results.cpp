#include "results.h"

#include <cmath>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {

void FirstFailure::guard(const std::function<void()>& part) {
  try {
    part();
  } catch (const Error&) {
    if (failure_ == nullptr) failure_ = std::current_exception();
  }
}

void FirstFailure::rethrow() const {
  if (failure_ != nullptr) std::rethrow_exception(failure_);
}

void print_and_write(const std::string& text, const std::function<void()>& write) {
  FirstFailure failure;
  failure.guard([&] { print(text); });
  failure.guard(write);
  failure.rethrow();
}

void need_finite(double sum, const std::string& where) {
  if (std::isfinite(sum)) return;
  throw Error(ExitCode::numerical, {.what = "the log-probabilities of the text are not finite",
                                    .where = where,
                                    .found = str(sum),
                                    .next_step = "check the model's weights, or compute in --dtype float32"});
}

}  // namespace bt
