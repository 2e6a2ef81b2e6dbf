#include "bt/text/prompt_template.h"

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

std::string field_text(const Json& document, std::string_view key, std::string_view prompt_template) {
  const Json* value = document.find(key);
  if (value == nullptr) {
    std::vector<std::string> keys;
    for (const auto& [name, unused] : document.as_object("document")) keys.push_back(name);
    fail_usage({.what = str("the template names the unknown field '", key, "'"),
                .where = str("template ", prompt_template),
                .expected = join(keys, ", "),
                .next_step = "write {{ and }} for braces that are text"});
  }
  return value->is_string() ? value->as_string(key) : value->dump();
}

[[noreturn]] void fail_brace(std::string_view prompt_template, size_t at) {
  fail_usage({.what = "a brace without its partner",
              .where = str("template ", prompt_template, ", character ", at + 1),
              .next_step = "write {{ or }} for a brace that is text"});
}

}  // namespace

std::string render_prompt(std::string_view prompt_template, const Json& document) {
  std::string out;
  for (size_t i = 0; i < prompt_template.size(); ++i) {
    const char c = prompt_template[i];
    if (c != '{' && c != '}') {
      out += c;
    } else if (i + 1 < prompt_template.size() && prompt_template[i + 1] == c) {
      out += c;
      ++i;
    } else {
      const size_t end = prompt_template.find('}', i);
      if (c == '}' || end == std::string_view::npos) fail_brace(prompt_template, i);
      out += field_text(document, prompt_template.substr(i + 1, end - i - 1), prompt_template);
      i = end;
    }
  }
  return out;
}

std::string only_field(std::string_view prompt_template) {
  const size_t begin = prompt_template.find('{'), end = prompt_template.find('}');
  const bool one = begin != std::string_view::npos && begin < end && end != std::string_view::npos &&
                   prompt_template.find_first_of("{}", end + 1) == std::string_view::npos;
  return std::string(one ? prompt_template.substr(begin + 1, end - begin - 1) : "");
}

std::string with_only_field(std::string_view prompt_template, std::string_view name) {
  const std::string field = only_field(prompt_template);
  if (field.empty()) return std::string(prompt_template);
  const size_t begin = prompt_template.find('{') + 1;
  return str(prompt_template.substr(0, begin), name, prompt_template.substr(begin + field.size()));
}

}  // namespace bt
