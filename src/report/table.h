// A table of text cells.
#pragma once

#include <string>
#include <vector>

#include "markup.h"

namespace bt::report {

struct Column {
  std::string title;
  bool is_number = false;  // aligned to the right
};

// Rows have a cell for every column; the first is the row's heading.
Markup table(const std::string& caption, const std::vector<Column>& columns,
             const std::vector<std::vector<std::string>>& rows);

}  // namespace bt::report
