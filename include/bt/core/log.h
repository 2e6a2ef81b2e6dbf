// Log lines on standard error, behind a facade so that no LibTorch file sees spdlog (its fmt clashes with LibTorch's).
#pragma once

#include <string_view>

namespace bt::log {

enum class Level { debug, info, warning, error, off };

void set_level(Level level);
bool parse_level(std::string_view name, Level& level);  // debug | info | warning | error | off
void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace bt::log
