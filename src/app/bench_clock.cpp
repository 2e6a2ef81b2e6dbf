#include "bench_clock.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <ctime>

namespace bt {
namespace {

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Stopwatch of_host(double (*now)()) {
  return [now](const std::function<void()>& work) {
    const double begin = now();
    work();
    return now() - begin;
  };
}

double device_seconds(c10::Device device, const std::function<void()>& work) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeDevice(device.index());
  c10::Event begin(device.type(), c10::EventFlag::BACKEND_DEFAULT), end(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  begin.record(guard.getStream(device));
  work();
  end.record(guard.getStream(device));
  end.synchronize();
  return 1e-3 * begin.elapsedTime(end);
}

}  // namespace

Stopwatch stopwatch(const std::string& clock, c10::Device device) {
  if (clock == "cpu") return of_host(cpu_seconds);
  if (device.is_cpu()) return of_host(wall_seconds);
  return [device](const std::function<void()>& work) { return device_seconds(device, work); };
}

double copy_bandwidth(c10::Device device, const Stopwatch& seconds) {
  const int64_t bytes = device.is_cpu() ? int64_t{1} << 28 : int64_t{1} << 31;
  const at::Tensor from = at::ones({bytes}, at::TensorOptions(device).dtype(at::kByte)), to = at::empty_like(from);
  double least = 0;
  for (int round = 0; round < 6; ++round) {
    const double taken = seconds([&] { to.copy_(from); });
    if (round == 1 || (round > 1 && taken < least)) least = taken;
  }
  return 2 * static_cast<double>(bytes) / least;
}

}  // namespace bt
