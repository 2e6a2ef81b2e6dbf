#include "side_stream.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <mutex>

namespace bt {
namespace {

// One a device, since libraries keep a workspace for every stream that they meet.
c10::Stream own_stream(at::Device device) {
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, c10::Stream> streams;
  const std::lock_guard lock(mutex);
  const auto found = streams.find(device.index());
  if (found != streams.end()) return found->second;
  const c10::Stream fresh = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  return streams.emplace(device.index(), fresh).first->second;
}

}  // namespace

SideStream::SideStream(at::Device device) {
  if (!device.is_cuda()) return;
  caller_ = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  own_ = own_stream(device);
  asked_for_ = std::make_shared<c10::Event>(device.type());
  asked_for_->record(*caller_);
}

at::Tensor SideStream::run(const std::function<at::Tensor()>& work) const {
  if (!own_) return work();
  const c10::StreamGuard guard(*own_);
  asked_for_->block(*own_);
  at::Tensor out = work();
  own_->synchronize();
  out.record_stream(*caller_);
  return out;
}

}  // namespace bt
