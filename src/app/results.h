// What the commands that measure have in common: figures are checked, then go to standard output and into a file.
#pragma once

#include <functional>
#include <string>

namespace bt {

// Prints `text` and calls `write`, each whether or not the other fails: a full disk must not cost what was measured.
// Throws what has failed.
void print_and_write(const std::string& text, const std::function<void()>& write);

// ExitCode::numerical for a sum of log-probabilities that is not finite; `where` names the text it is of.
void need_finite(double sum, const std::string& where);

}  // namespace bt
