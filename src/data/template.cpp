#include "bt/data/template.h"

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

[[noreturn]] void fail_brace(std::string_view text, std::string_view key) {
  fail_usage({.what = "a brace of the template has no partner",
              .where = std::string(key),
              .found = quoted_excerpt(text),
              .next_step = "write {field} for a field, {{ and }} for braces"});
}

[[noreturn]] void fail_no_field(const Json& record, const std::string& field, std::string_view key,
                                std::string_view where) {
  std::vector<std::string> names;
  for (const auto& [name, value] : record.as_object(where)) names.push_back(name);
  const std::string nearest = nearest_name(field, names);
  fail_bad_file({.what = str("the record has no field `", field, "`"),
                 .where = std::string(where),
                 .expected = str("the fields of ", key),
                 .found = join(names, ", "),
                 .next_step = nearest.empty() ? "" : str("did you mean `", nearest, "`?")});
}

}  // namespace

TextTemplate::TextTemplate(std::string_view text, std::string_view key) : key_(key) {
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      literal += c;
    } else if (text.substr(i + 1).starts_with(c)) {
      literal += c;
      ++i;
    } else {
      const size_t end = text.find_first_of("{}", i + 1);
      if (c == '}' || end == std::string_view::npos || text[end] == '{' || end == i + 1) fail_brace(text, key);
      parts_.push_back({.text = std::move(literal)});
      parts_.push_back({.is_field = true, .text = std::string(text.substr(i + 1, end - i - 1))});
      literal.clear();
      i = end;
    }
  }
  parts_.push_back({.text = std::move(literal)});
}

std::string TextTemplate::render(const Json& record, std::string_view where) const {
  std::string text;
  for (const Part& part : parts_) {
    if (!part.is_field) {
      text += part.text;
      continue;
    }
    const Json* value = record.find(part.text);
    if (value == nullptr) fail_no_field(record, part.text, key_, where);
    text += value->is_integer() ? value->dump() : value->as_string(str(where, ": ", part.text));
  }
  return text;
}

}  // namespace bt
