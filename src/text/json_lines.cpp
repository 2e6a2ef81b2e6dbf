#include "bt/text/json_lines.h"

#include <algorithm>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {

std::vector<Json> parse_json_lines(std::string_view text, std::string_view source) {
  std::vector<Json> objects;
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trim(text.substr(begin, end - begin));
    begin = end + 1;
    ++line_number;
    if (line.empty()) continue;
    const std::string where = str(source, ":", line_number);
    objects.push_back(Json::parse(line, where));
    if (!objects.back().is_object()) {
      fail_bad_file({.what = "a line is no JSON object",
                     .where = where,
                     .expected = "an object",
                     .found = objects.back().type_name()});
    }
  }
  return objects;
}

std::vector<Json> read_json_lines(const std::string& path) { return parse_json_lines(read_file(path), path); }

std::string dump_json_lines(const std::vector<Json>& objects) {
  std::string out;
  for (const Json& object : objects) out += object.dump() + "\n";
  return out;
}

}  // namespace bt
