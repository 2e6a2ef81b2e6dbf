#include "table.h"

#include "bt/core/error.h"

namespace bt::report {
namespace {

Markup cell(const Column& column, bool is_first, const std::string& content) {
  if (is_first) return element("th", {{"scope", "row"}}, text(content));
  return column.is_number ? element("td", {{"class", "number"}}, text(content)) : element("td", text(content));
}

}  // namespace

Markup table(const std::string& caption, const std::vector<Column>& columns,
             const std::vector<std::vector<std::string>>& rows) {
  Markup titles, lines;
  for (const Column& column : columns) {
    Attributes attributes = {{"scope", "col"}};
    if (column.is_number) attributes.emplace_back("class", "number");
    titles += element("th", attributes, text(column.title));
  }
  for (const std::vector<std::string>& row : rows) {
    BT_ASSERT(row.size() == columns.size());
    Markup line;
    for (size_t c = 0; c < row.size(); ++c) line += cell(columns[c], c == 0, row[c]);
    lines += element("tr", line);
  }
  Markup content = element("caption", text(caption));
  content += element("thead", element("tr", titles));
  content += element("tbody", lines);
  return element("div", {{"class", "scroll"}}, element("table", content));
}

}  // namespace bt::report
