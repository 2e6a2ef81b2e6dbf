// Text made from a record's fields: "{question}\n". `{{` and `}}` stand for braces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bt/core/json.h"

namespace bt {

class TextTemplate {
 public:
  // ExitCode::usage for a brace that opens or closes nothing; `key` names the template in the message ("data.prompt").
  TextTemplate(std::string_view text, std::string_view key);

  // The record's strings, and integers as they are written, in place of the fields. ExitCode::bad_file names the record
  // (`where`), the missing field and the nearest one it has.
  std::string render(const Json& record, std::string_view where) const;

 private:
  struct Part {
    bool is_field = false;
    std::string text;  // of the field: its name
  };
  std::string key_;
  std::vector<Part> parts_;
};

}  // namespace bt
