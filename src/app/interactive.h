// bt-generate --interactive: a prompt a line, its answer streamed below.
#pragma once

#include <cstdint>

#include "bt/eval/generation.h"

namespace bt {

// Reads standard input until it ends; every line is a prompt of its own, in the form of the model's training where its
// template names one field, else as it is. Ctrl-C ends the answer under way, or the program while it waits for a line.
// Returns the exit code.
int answer_lines(const InferenceModel& model, const GenerationOptions& options, int64_t max_new_tokens);

}  // namespace bt
