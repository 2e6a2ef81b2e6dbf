// Untrained controls of a rewriting method: what it writes is replaced; which rows, when and how much of it stay.
#pragma once

#include <memory>
#include <string>

#include "bt/latent/method.h"

namespace bt {

// The method with its changes replaced. `control`:
// random: a random direction for every row, keys and values apart, each as long as the change it replaces. Depends on
//   (sequence, boundary, layer, position) alone.
// swapped: the change made last for another sequence at the same kind of boundary (the prompt's end, or a step's),
//   recent rows paired from the newest on, recalled ones in the order of their rows, over again where the other had
//   fewer. So it depends on what else is in the batch and came before; the first sequence of all keeps its rows.
// ExitCode::usage for a method that does not rewrite, or does something else besides. Not for several threads at once.
std::unique_ptr<Method> with_rewrite_control(std::unique_ptr<Method> method, const std::string& control);

}  // namespace bt
