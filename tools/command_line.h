// What the mains of tools/ ask of a command line beyond CLI11: a refusal names the word that is wrong, numbers are
// finite and in range, and no value is empty.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/numerals.h"
#include "bt/core/strings.h"

namespace bt::tools {

// "at least 1", "from 0 to 1"; "" where both ends are infinite.
inline std::string range_words(double min, double max) {
  const auto text = [](double end) {  // 10000000 rather than 1e+07
    return end == std::round(end) && std::abs(end) < 1e15 ? std::to_string(std::llround(end)) : number_text(end);
  };
  if (std::isfinite(min) && std::isfinite(max)) return str("from ", text(min), " to ", text(max));
  if (std::isfinite(min)) return "at least " + text(min);
  return std::isfinite(max) ? "at most " + text(max) : "";
}

// For Option::transform: a finite number (int64_t: a whole one, also as 3e4) in the range. Unlike CLI::Range it refuses
// NaN.
template <class Number>
CLI::Validator in_range(double min, double max = std::numeric_limits<double>::infinity()) {
  const auto check = [min, max](std::string& text) -> std::string {
    constexpr bool is_whole = std::is_integral_v<Number>;
    std::optional<Number> value;
    if constexpr (is_whole) {
      value = parse_integer(text);
    } else {
      value = parse_number(text);
    }
    if (!value) return str(quoted_excerpt(text), " is no ", is_whole ? "whole number" : "finite number");
    const auto size = static_cast<double>(*value);
    if (size < min || size > max) return str("must be ", range_words(min, max), ", not ", text);
    if constexpr (is_whole) text = std::to_string(*value);  // what CLI11 reads
    return "";
  };
  return CLI::Validator(check, "");
}

// "bt-eval", or "bt-eval run" where that was chosen.
inline std::string command_name(const CLI::App& app) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : str(app.get_name(), " ", chosen.back()->get_name());
}

[[noreturn]] inline void fail_command_line(const CLI::App& app, const std::string& what, const std::string& expected,
                                           const std::string& found) {
  fail_usage({.what = what,
              .where = "command line",
              .expected = expected,
              .found = found,
              .next_step = str("see ", command_name(app), " --help")});
}

// What a word of this program or subcommand may be.
inline std::vector<std::string> names_of(const CLI::App& command, bool is_flag) {
  std::vector<std::string> names;
  if (is_flag) {
    for (const CLI::Option* option : command.get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  } else {
    for (const CLI::App* sub : command.get_subcommands({})) names.push_back(sub->get_name());
  }
  return names;
}

// ExitCode::usage with the first word that neither the program nor the chosen subcommand knows, if there is one.
inline void refuse_unknown(const CLI::App& app) {
  std::vector<const CLI::App*> commands = {&app};
  for (const CLI::App* chosen : app.get_subcommands()) commands.push_back(chosen);
  for (const CLI::App* command : commands) {
    std::vector<std::string> words = command->remaining();
    std::erase(words, "--");
    if (words.empty() || command->get_allow_extras()) continue;
    const std::string word = words[0].substr(0, words[0].find('='));
    const bool is_flag = word.starts_with('-');
    const std::vector<std::string> names = names_of(*command, is_flag);
    fail_command_line(app,
                      is_flag         ? "unknown option"
                      : names.empty() ? "a word too many"
                                      : "unknown command",
                      nearest_name(word, names), word);
  }
}

[[noreturn]] inline void fail_empty(const std::string& option) {
  fail_usage({.what = "the value is empty",
              .where = option,
              .next_step = "leave the option out, or check the shell's variable"});
}

// An unset variable of the shell must not pass for an option left out.
inline void refuse_empty(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& value : option->results()) {
      if (value.empty()) fail_empty(option->get_name());
    }
  }
  for (const CLI::App* chosen : command.get_subcommands()) refuse_empty(*chosen);
}

inline bool knows_option(const CLI::App& command, const std::string& name) {
  const std::vector<std::string> names = names_of(command, /*is_flag=*/true);
  const std::vector<const CLI::App*> subcommands = command.get_subcommands([](const CLI::App*) { return true; });
  return std::find(names.begin(), names.end(), name) != names.end() ||
         std::any_of(subcommands.begin(), subcommands.end(), [&](const auto* one) { return knows_option(*one, name); });
}

// Parses the command line. An exit code where nothing is left to do: --help and --version have been answered.
// ExitCode::usage for what does not fit.
inline std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];  // CLI11 would take the next word for the value of "--name="
    if (!word.starts_with("--") || !word.ends_with('=')) continue;
    const std::string name(word.substr(0, word.size() - 1));
    if (knows_option(app, name)) fail_empty(name);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& answered) {
    return app.exit(answered);
  } catch (const CLI::ParseError& error) {
    refuse_unknown(app);
    fail_command_line(app, error.what(), "", "");
  }
  refuse_empty(app);
  return std::nullopt;
}

}  // namespace bt::tools
