#include "bt/core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <utility>

namespace bt::log {
namespace {

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("bt", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made.set_pattern("%Y-%m-%d %H:%M:%S %^%-7l%$ %v");
    return made;
  }();
  return instance;
}

// A string view is logged as it is, never taken for a format string.
void write(spdlog::level::level_enum level, std::string_view message) {
  logger().log(level, spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace

void set_level(Level level) {
  switch (level) {
    case Level::debug:
      return logger().set_level(spdlog::level::debug);
    case Level::info:
      return logger().set_level(spdlog::level::info);
    case Level::warning:
      return logger().set_level(spdlog::level::warn);
    case Level::error:
      return logger().set_level(spdlog::level::err);
    case Level::off:
      return logger().set_level(spdlog::level::off);
  }
}

bool parse_level(std::string_view name, Level& level) {
  constexpr std::array<std::pair<std::string_view, Level>, 5> kLevels = {{{"debug", Level::debug},
                                                                          {"info", Level::info},
                                                                          {"warning", Level::warning},
                                                                          {"error", Level::error},
                                                                          {"off", Level::off}}};
  for (const auto& [known, value] : kLevels) {
    if (known != name) continue;
    level = value;
    return true;
  }
  return false;
}

void debug(std::string_view message) { write(spdlog::level::debug, message); }
void info(std::string_view message) { write(spdlog::level::info, message); }
void warning(std::string_view message) { write(spdlog::level::warn, message); }
void error(std::string_view message) { write(spdlog::level::err, message); }

}  // namespace bt::log
