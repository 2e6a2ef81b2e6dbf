#include "bt/text/text_template.h"

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
                                std::string_view where, ExitCode code) {
  std::vector<std::string> names;
  for (const auto& [name, value] : record.as_object(where)) names.push_back(name);
  const std::string nearest = nearest_name(field, names);
  throw Error(code, {.what = str("the record has no field `", field, "`"),
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

std::string TextTemplate::render(const Json& record, std::string_view where, ExitCode if_missing) const {
  std::string text;
  for (const Part& part : parts_) {
    if (!part.is_field) {
      text += part.text;
      continue;
    }
    const Json* value = record.find(part.text);
    if (value == nullptr) fail_no_field(record, part.text, key_, where, if_missing);
    text += value->is_number() ? value->dump() : value->as_string(str(where, ": ", part.text));
  }
  return text;
}

std::string only_field(std::string_view text_template) {
  const size_t begin = text_template.find('{'), end = text_template.find('}');
  const bool one = begin != std::string_view::npos && begin < end && end != std::string_view::npos &&
                   text_template.find_first_of("{}", end + 1) == std::string_view::npos;
  return std::string(one ? text_template.substr(begin + 1, end - begin - 1) : "");
}

std::string with_only_field(std::string_view text_template, std::string_view name) {
  const std::string field = only_field(text_template);
  if (field.empty()) return std::string(text_template);
  const size_t begin = text_template.find('{') + 1;
  return str(text_template.substr(0, begin), name, text_template.substr(begin + field.size()));
}

}  // namespace bt
