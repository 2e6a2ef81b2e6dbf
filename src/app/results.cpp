#include "results.h"

#include <cmath>
#include <exception>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {

void print_and_write(const std::string& text, const std::function<void()>& write) {
  std::exception_ptr failure;
  try {
    print(text);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  write();
  if (failure != nullptr) std::rethrow_exception(failure);
}

void need_finite(double sum, const std::string& where) {
  if (std::isfinite(sum)) return;
  throw Error(ExitCode::numerical, {.what = "the log-probabilities of the text are not finite",
                                    .where = where,
                                    .found = str(sum),
                                    .next_step = "check the model's weights, or compute in --dtype float32"});
}

}  // namespace bt
