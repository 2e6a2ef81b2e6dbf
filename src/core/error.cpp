#include "bt/core/error.h"

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "bt/core/strings.h"

namespace bt {
namespace {

constexpr size_t kMostBytes = 4000;  // of a part

// Text from a file must not steer the terminal it is shown on, look like lines of ours, or fill the screen.
std::string shown(std::string_view part) {
  std::string out;
  for (const char c : part.substr(0, kMostBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_c1 = byte >= 0x80 && byte <= 0x9F && out.ends_with('\xC2');  // U+0080 to U+009F
    if (c == '\n') {
      out += "\\n";
    } else if (is_c1 || (byte < 0x20 && c != '\t') || byte == 0x7F) {
      if (is_c1) out.pop_back();
      out += {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    } else {
      out += c;
    }
  }
  return part.size() > kMostBytes ? out + "..." : out;
}

// "where: what", then one indented line for every other part that is given.
std::string message(const Problem& problem) {
  std::string text = shown(problem.where.empty() ? problem.what : problem.where + ": " + problem.what);
  const auto add = [&text](const char* label, const std::string& part) {
    if (!part.empty()) text += std::string("\n  ") + label + ": " + shown(part);
  };
  add("expected", problem.expected);
  add("found", problem.found);
  add("next step", problem.next_step);
  return text;
}

}  // namespace

Error::Error(ExitCode code, Problem problem)
    : std::runtime_error(message(problem)), code_(code), problem_(std::move(problem)) {}

void fail_usage(Problem problem) { throw Error(ExitCode::usage, std::move(problem)); }
void fail_bad_file(Problem problem) { throw Error(ExitCode::bad_file, std::move(problem)); }

void fail_io(Problem problem) {
  if (const int number = errno; number != 0) {
    problem.what += ": " + std::generic_category().message(number);  // thread-safe, unlike strerror
  }
  throw Error(ExitCode::io, std::move(problem));
}

void detail::assertion_failed(const char* expression, const char* file, int line) {
  throw std::logic_error(str("internal error: ", expression, " does not hold at ", file, ":", line));
}

}  // namespace bt
