// Answers of GSM8K and its kin: lm-evaluation-harness's filters (tasks gsm8k and gsm8k_cot, version 3.0) and our own
// exact numeric form for models fine-tuned on the data set's own solutions.
#pragma once

#include <string>
#include <string_view>

namespace bt {

inline constexpr std::string_view kInvalidAnswer = "[invalid]";  // what a filter without a match extracts

// First match of `The answer is (\-?[0-9\.\,]+).`; the final `.` wants one more character: "The answer is 29" gives
// "2".
std::string extract_cot_strict(std::string_view completion);
// First match of `#### (\-?[0-9\.\,]+)`.
std::string extract_hash_strict(std::string_view completion);
// Last match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`.
std::string extract_flexible(std::string_view completion);

// exact_match after deleting `,`, `$`, all up to the last "#### " and one final period from both, ignoring ASCII case.
bool harness_exact_match(std::string_view prediction, std::string_view reference);

// What follows the last "####" of a data set's answer field, white space stripped (the target of gsm8k_cot).
std::string after_hashes(std::string_view answer);

// The rest of the line after the last "#### " as a bare number; without that mark what is in the last \boxed{…}, as
// models answer that learnt from solutions of other data; else kInvalidAnswer.
std::string extract_final_answer(std::string_view solution);
// Equal as decimal numbers of any length ("18.0" = "18"), or equal texts when neither is a number. An invalid answer
// equals nothing.
bool same_final_answer(std::string_view prediction, std::string_view reference);
// The completion is the reference solution, word for word; white space at both ends and calculator annotations
// ("<<3+4=7>>") do not count.
bool same_solution(std::string_view completion, std::string_view solution);

}  // namespace bt
