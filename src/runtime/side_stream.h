// Work of a device beside what the caller goes on to ask of it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <functional>
#include <memory>
#include <optional>

namespace bt {

// Made by the caller, run by another thread. On a GPU the work has a stream of its own and begins when all that the
// caller's stream was asked for before is done; on a CPU the thread is enough.
class SideStream {
 public:
  explicit SideStream(at::Device device);
  // Returns when the device has done the work. Its result is for the caller's stream; what it reads was made before and
  // stays as it is.
  at::Tensor run(const std::function<at::Tensor()>& work) const;

 private:
  std::optional<c10::Stream> caller_, own_;
  std::shared_ptr<c10::Event> asked_for_;
};

}  // namespace bt
