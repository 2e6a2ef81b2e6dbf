// Device work in shapes that do not depend on what the host has to say: that is one small table of numbers, sent in one
// copy. So a device can record the work once for every shape and start it again as one.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/TensorAccessor.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "bt/ops/device_graph.h"

namespace bt {

class FixedStep {
 public:
  // All that shapes depend on.
  struct Shape {
    int64_t columns = 0, rows = 0;
    auto operator<=>(const Shape&) const = default;
  };

  // idle_NB: N int64 numbers for each of B columns, with which the work changes nothing that is ever read.
  FixedStep(const at::Tensor& idle_NB, at::Device device);

  // The host's table, all idle, to be filled before run(). The device must have taken the one before: wait for it in
  // between, as for the tokens of every step.
  at::TensorAccessor<int64_t, 2> table();
  // The table on the device: where the work finds it.
  const at::Tensor& input_NB() const { return input_NB_; }
  // Sends the table, then does the work. Where the device has graphs it is one launch, and recorded, idle, when a shape
  // comes first; what `work` holds must stay where it is.
  void run(const Shape& shape, const std::function<void()>& work);

 private:
  std::unique_ptr<ops::DeviceGraph> recorded(const std::function<void()>& work);  // null where there are no graphs

  at::Tensor idle_NB_, host_NB_, input_NB_;
  std::map<Shape, std::unique_ptr<ops::DeviceGraph>> graphs_;
};

// The rows that steps look at where `rows` are in use. Few sizes, so that few graphs are recorded; the operators read
// no more than a sequence's own rows anyway.
int64_t row_bucket(int64_t rows, int64_t capacity);

}  // namespace bt
