// A call that must be refused.
#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <string>

#include "bt/core/error.h"

namespace bt {

inline void expect_error(ExitCode code, const ::testing::Matcher<std::string>& message,
                         const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_THAT(error.what(), message);
  }
}

}  // namespace bt
