// Answers of MATH in LaTeX: finding the boxed answer, and the MATH authors' string normalisation (Hendrycks et al.
// 2021, math_equivalence.py), as the harness's task hendrycks_math 1.0 applies it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bt {

// The harness's gold answer: with any "\boxed " in the text, what follows the last one up to "$"; else the content of
// the last \boxed{…} with balanced braces. Nothing without one, or when the last one is not closed.
std::optional<std::string> harness_boxed_answer(std::string_view solution);

// The content of whichever box comes last, "\boxed{…}" or "\boxed …$".
std::optional<std::string> last_boxed_answer(std::string_view text);

// The text between the first and the last "$", or all of it with fewer than two.
std::string_view between_dollars(std::string_view text);

// strip_string: fractions, roots, units, spaces and signs in one spelling. Nothing where the original raises (a lone
// "\sqrt" or "\frac", two "\text{ ", a slash between texts that are no integers).
std::optional<std::string> normalise_math(std::string_view answer);

// Equal after normalise_math, or equal as they are when one of them cannot be normalised.
bool same_math_answer(std::string_view a, std::string_view b);

}  // namespace bt
