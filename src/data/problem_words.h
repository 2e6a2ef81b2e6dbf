// The words that synthetic problems are made of.
#pragma once

namespace bt::words {

inline constexpr const char* kNames[] = {"Ann", "Bob", "Cal", "Dan", "Eve", "Fay", "Gus",  "Hal", "Ivy", "Jon",
                                         "Kim", "Leo", "Mia", "Ned", "Oli", "Pam", "Quin", "Ray", "Sue", "Tom"};
inline constexpr char kHas[] = " has ", kMore[] = " more than ", kFewer[] = " fewer than ",
                      kTwice[] = " has twice as many as ", kAsMany[] = " has as many as ", kPlus[] = " plus ",
                      kMinus[] = " minus ", kNextFact[] = ". ", kQuestion[] = "How many does ", kHave[] = " have?",
                      kAdd[] = " + ", kSubtract[] = " - ", kTimes[] = " * ", kEquals[] = " = ", kFinal[] = "#### ";

}  // namespace bt::words
