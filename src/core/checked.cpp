#include "bt/core/checked.h"

#include <string>

namespace bt {

void fail_overflow(std::string_view what) {
  fail_bad_file({.what = std::string(what) + " is too large", .expected = "a value that fits its integer type"});
}

}  // namespace bt
