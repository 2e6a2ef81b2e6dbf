// Answers of MATH as the harness's minerva_math grades them: the text after "Final Answer:", normalised as in appendix
// D of Lewkowycz et al. (2022).
#pragma once

#include <string>
#include <string_view>

namespace bt {

// The task's version 3.0 (lm-evaluation-harness up to 0.4.11; published numbers use it) and 3.1 (0.4.13).
enum class MinervaRules { v3_0, v3_1 };

// The text between "Final Answer: The final answer is" and "I hope it is correct.", which is appended first as the
// harness does; "[invalidanswer]" without a match on one line.
std::string extract_minerva_answer(std::string_view completion);

std::string normalise_minerva(std::string_view answer, MinervaRules rules);

enum class Verdict { wrong, right, undecided };

// Equality of two normalised answers without a computer algebra system: equal texts and plain numbers are decided as
// the harness decides them; everything else, and under 3.0 equal texts that are no numbers (sympy must be able to parse
// them there), is undecided.
Verdict compare_minerva(std::string_view a, std::string_view b, MinervaRules rules);

}  // namespace bt
