#include "bt/text/json_lines.h"

#include <algorithm>
#include <utility>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

Json parse_line(std::string_view line, const std::string& where) {
  try {
    return Json::parse(line, where);
  } catch (const Error& error) {  // the parser counts lines from the start of its text: keep the column alone
    Problem problem = error.problem();
    const std::string first_line = where + ":1:";
    if (problem.where.starts_with(first_line)) problem.where = where + ":" + problem.where.substr(first_line.size());
    throw Error(error.code(), std::move(problem));
  }
}

}  // namespace

void for_each_json_line(std::string_view text, std::string_view source,
                        const std::function<void(Json, const std::string&)>& use) {
  int64_t number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (trim(line).empty()) continue;
    const std::string where = str(source, ":", number);
    Json object = parse_line(line, where);
    if (!object.is_object()) {
      fail_bad_file(
          {.what = "a line is no JSON object", .where = where, .expected = "an object", .found = object.type_name()});
    }
    use(std::move(object), where);
  }
}

std::vector<Json> parse_json_lines(std::string_view text, std::string_view source) {
  std::vector<Json> objects;
  for_each_json_line(text, source, [&](Json object, const std::string&) { objects.push_back(std::move(object)); });
  return objects;
}

std::vector<Json> read_json_lines(const std::string& path) { return parse_json_lines(read_file(path), path); }

std::string dump_json_lines(const std::vector<Json>& objects) {
  std::string out;
  for (const Json& object : objects) out += object.dump() + "\n";
  return out;
}

}  // namespace bt
