// What benches measure time by.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <string>

namespace bt {

// Seconds that the work takes, what it has started on a device included.
using Stopwatch = std::function<double(const std::function<void()>& work)>;

// `clock`: wall, or cpu for the process's own time. On a GPU events of the device around the work: idle time between
// its launches counts, and the time to launch the first does not.
Stopwatch stopwatch(const std::string& clock, c10::Device device);

// Bytes per second, read and written, of copying a tensor larger than the caches: the best of a few copies.
double copy_bandwidth(c10::Device device, const Stopwatch& seconds);

}  // namespace bt
