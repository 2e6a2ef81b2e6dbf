// Worked examples that published tasks put before the question.
#pragma once

#include <string>
#include <vector>

#include "bt/text/minerva_grading.h"

namespace bt {

struct Exemplar {
  std::string question, answer;
};

// The eight chain-of-thought exemplars of Wei et al. (2022, arXiv 2201.11903, appendix G) as gsm8k_cot 3.0 spells them.
const std::vector<Exemplar>& gsm8k_exemplars();
// The four of Lewkowycz et al. (2022, arXiv 2206.14858, appendix D).
const std::vector<Exemplar>& minerva_exemplars(MinervaRules rules);

}  // namespace bt
