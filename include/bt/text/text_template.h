// Text made from a record's fields: "{question}\n". `{{` and `}}` stand for braces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/json.h"

namespace bt {

class TextTemplate {
 public:
  // ExitCode::usage for a brace that opens or closes nothing; `key` names the template in the message ("data.prompt").
  TextTemplate(std::string_view text, std::string_view key);

  // The record's strings, and numbers as JSON has them, in place of the fields. A field that the record lacks:
  // `if_missing` (usage where the records are given and the template was chosen), with the record (`where`), the field
  // and the nearest one it has. A value of another type: ExitCode::bad_file.
  std::string render(const Json& record, std::string_view where, ExitCode if_missing = ExitCode::bad_file) const;

 private:
  struct Part {
    bool is_field = false;
    std::string text;  // of the field: its name
  };
  std::string key_;
  std::vector<Part> parts_;
};

// The name in "{question}\n"; empty where the template names no field or several.
std::string only_field(std::string_view text_template);
// The template with another name for its only field; the same where it has none or several.
std::string with_only_field(std::string_view text_template, std::string_view name);

}  // namespace bt
