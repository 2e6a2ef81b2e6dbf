// Shows a method the keys and values of a decoder before training (Method::calibrate).
#pragma once

#include <vector>

#include "bt/data/plan.h"
#include "bt/latent/method.h"

namespace bt {

// Runs the plain decoder over the examples, layer by layer, and gives the method every layer's keys and values of all
// tokens but each example's first (an attention sink, whose scale is its own). Nothing happens where the method asks
// for no calibration. Memory: the residual stream and one layer's keys and values of all tokens.
void calibrate(Method& method, const Decoder& decoder, const std::vector<Example>& examples);

// Gives the method the residual stream that enters every layer of the plain decoder, of every text of both sets.
// Nothing happens where the method contrasts none. Memory: that of calibrate for 64 texts, and one row a text and
// layer.
void measure_contrast(Method& method, const Decoder& decoder, const std::vector<Example>& positive,
                      const std::vector<Example>& negative);

}  // namespace bt
