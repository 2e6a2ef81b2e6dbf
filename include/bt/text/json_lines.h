// JSON Lines: one object a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bt/core/json.h"

namespace bt {

// Every line that is not blank must be an object. ExitCode::bad_file with file and line otherwise.
std::vector<Json> parse_json_lines(std::string_view text, std::string_view source);
std::vector<Json> read_json_lines(const std::string& path);

// One line an object, each ended by "\n".
std::string dump_json_lines(const std::vector<Json>& objects);

}  // namespace bt
