#include "bt/data/jsonl.h"

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

void for_each_record(const std::string& path, const std::function<void(const Json&, const std::string&)>& use) {
  const std::string text = read_file(path);
  int64_t number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const auto line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (trim(line).empty()) continue;
    const std::string where = str(path, ":", number);
    const Json record = parse_line(line, where);
    record.as_object(where);  // refuses anything else
    use(record, where);
  }
}

}  // namespace bt
