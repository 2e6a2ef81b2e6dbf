// What the commands that measure have in common: figures are checked, then go to standard output and into a file.
#pragma once

#include <exception>
#include <functional>
#include <string>

namespace bt {

// Work that goes on where a part of it fails: a full disk must not cost what was measured.
class FirstFailure {
 public:
  void guard(const std::function<void()>& part);
  void rethrow() const;  // the first Error of the parts, if there was one

 private:
  std::exception_ptr failure_;
};

// Prints `text` and calls `write`, each whether or not the other fails. Throws what has failed first.
void print_and_write(const std::string& text, const std::function<void()>& write);

// ExitCode::numerical for a sum of log-probabilities that is not finite; `where` names the text it is of.
void need_finite(double sum, const std::string& where);

}  // namespace bt
