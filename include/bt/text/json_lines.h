// JSON Lines: one object a line.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/json.h"

namespace bt {

// Calls `use` with every object of the text, in order, and with its place ("data.jsonl:12") for messages. Blank lines
// are skipped. A line that is no JSON object: ExitCode::bad_file with `source`, line and column.
void for_each_json_line(std::string_view text, std::string_view source,
                        const std::function<void(Json, const std::string&)>& use);

// All objects, with the same errors. The file may have 4 GiB.
std::vector<Json> parse_json_lines(std::string_view text, std::string_view source);
std::vector<Json> read_json_lines(const std::string& path);

// One line an object, each ended by "\n".
std::string dump_json_lines(const std::vector<Json>& objects);

}  // namespace bt
