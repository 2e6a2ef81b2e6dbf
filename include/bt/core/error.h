// Errors a user meets: what happened, where, what was expected and found, and what to do next.
#pragma once

#include <stdexcept>
#include <string>

namespace bt {

// Process exit codes, the same for every tool. A signal ends with 128 + its number.
enum class ExitCode : int {
  done = 0,
  usage = 2,      // command line or config
  bad_file = 3,   // model, tokenizer or data file
  numerical = 4,  // training stopped on a non-finite value
  out_of_memory = 5,
  io = 6,  // cannot read, write or sync
};

// The parts of a message. Only `what` is required; empty parts are left out.
struct Problem {
  std::string what;       // "key is missing"
  std::string where;      // "config.json: rope_parameters.rope_theta" or "run.yaml:3:5"
  std::string expected;   // "a positive number"
  std::string found;      // "-1"
  std::string next_step;  // "remove the key to use the family default 10000"
};

// Every failure caused by the user's input or machine. Our own bugs are BT_ASSERT.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, Problem problem);
  ExitCode code() const noexcept { return code_; }
  const Problem& problem() const noexcept { return problem_; }

 private:
  ExitCode code_;
  Problem problem_;
};

[[noreturn]] void fail_usage(Problem problem);     // ExitCode::usage
[[noreturn]] void fail_bad_file(Problem problem);  // ExitCode::bad_file
[[noreturn]] void fail_io(Problem problem);        // ExitCode::io; appends strerror(errno) to `what` when errno is set

namespace detail {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

}  // namespace bt

// An invariant of our own code; throws std::logic_error, in every build type.
#define BT_ASSERT(expression)                                                           \
  do {                                                                                  \
    if (!(expression)) ::bt::detail::assertion_failed(#expression, __FILE__, __LINE__); \
  } while (false)
