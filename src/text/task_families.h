// The families that tasks() is put together from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bt/text/tasks.h"
#include "exemplars.h"

namespace bt {

std::vector<Task> gsm8k_tasks();         // gsm8k_sft, gsm8k_cot, gsm8k
std::vector<Task> math_tasks();          // math_sft, hendrycks_math, minerva_math and their subtasks
std::vector<Task> word_problem_tasks();  // svamp, gsm_hard
std::vector<Task> theorem_tasks();       // theoremqa
std::vector<Task> choice_tasks();        // logiqa, gaokao_mathqa

// A string field of a document.
const std::string& text_of(const Json& document, std::string_view key);

// Preambles that are the same for every document: question, one space, answer and an empty line for each exemplar.
// `question_of` gives an exemplar's question the form of the prompt's.
std::function<std::vector<std::string>(size_t, const std::string&)> fixed_preamble(
    const std::vector<Exemplar>& exemplars, std::string (*question_of)(std::string_view question));

}  // namespace bt
