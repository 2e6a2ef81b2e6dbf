// Templates such as "{question}\n": {key} stands for a field of a document, "{{" and "}}" for braces.
#pragma once

#include <string>
#include <string_view>

#include "bt/core/json.h"

namespace bt {

// ExitCode::usage for a lone brace or a key that `document` does not have; a field that is no string is written as
// JSON.
std::string render_prompt(std::string_view prompt_template, const Json& document);

// The name in "{question}\n"; empty where the template names no field or several.
std::string only_field(std::string_view prompt_template);
// The template with another name for its only field; the same where it has none or several.
std::string with_only_field(std::string_view prompt_template, std::string_view name);

}  // namespace bt
