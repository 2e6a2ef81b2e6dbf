// Low-rank adapters on a decoder's projections (arXiv 2106.09685), named q, k, v, o, gate, up and down.
#pragma once

#include <string>
#include <vector>

#include "bt/model/decoder.h"

namespace bt {

// <target>.a [rank, in], normal(1/sqrt(in)), and <target>.b [out, rank], zero, of every layer.
std::vector<ParameterInfo> adapter_parameters(const ModelConfig& model, const std::vector<std::string>& targets,
                                              int64_t rank);

// The decoder with the store's adapters added to its projections.
Decoder with_adapters(const Decoder& decoder, const ParameterStore& store, const std::vector<std::string>& targets,
                      double scale);

}  // namespace bt
