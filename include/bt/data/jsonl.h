// JSON Lines: one JSON object a line.
#pragma once

#include <functional>
#include <string>

#include "bt/core/json.h"

namespace bt {

// Calls `use` with every record of the file, in order, and with its place ("data.jsonl:12") for messages. Blank lines
// are skipped. A file over 4 GiB, a line that is no JSON object: ExitCode::bad_file with file, line and column.
void for_each_record(const std::string& path, const std::function<void(const Json&, const std::string&)>& use);

}  // namespace bt
