// The parts of the page.
#pragma once

#include <vector>

#include "evaluation_run.h"
#include "markup.h"
#include "study.h"
#include "training_run.h"

namespace bt::report {

// Runs have distinct names. Nothing for none.
Markup training_section(const std::vector<TrainingRun>& runs);
Markup evaluation_section(const std::vector<EvaluationRun>& runs);  // reads samples_*.jsonl to pair the answers
Markup study_section(const Study& study);
Markup provenance_section(const std::vector<Provenance>& runs);

}  // namespace bt::report
