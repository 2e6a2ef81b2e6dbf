#include "gate_figures.h"

#include <ATen/ATen.h>

namespace bt {

Json gate_figures(const at::Tensor& logit_LX) {
  const at::Tensor gate_L = at::sigmoid(logit_LX.detach()).mean(-1).to(at::kCPU, at::kDouble).contiguous();
  Json::Array gates;
  for (int64_t layer = 0; layer < gate_L.size(0); ++layer) gates.emplace_back(gate_L.const_data_ptr<double>()[layer]);
  return Json::object({{"gate", std::move(gates)}});
}

}  // namespace bt
