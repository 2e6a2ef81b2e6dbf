#include "bt/train/out_of_memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <string_view>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "bt/train/setup.h"

namespace bt {
namespace {

// The first line, without the stack that LibTorch adds.
std::string reason_of(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

int64_t cpu_memory_bytes() {
  const int64_t all = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return all;
  return std::min(all, static_cast<int64_t>(limit.rlim_cur));
}

// "cuda:0, 79.1 GiB"; what cannot be found out is left out.
std::string device_text(const std::string& name) {
  try {
    const at::Device device = resolve_device(name);
    const int64_t bytes = device_memory_bytes(device);
    return bytes > 0 ? str(device.str(), ", ", bytes_text(bytes)) : device.str();
  } catch (const std::exception&) {
    return name;
  }
}

// Empty where even the sizes cannot be had.
MemoryClasses classes_of(const std::function<MemoryClasses()>& estimate) {
  try {
    return estimate();
  } catch (const std::exception&) {
    return {};
  }
}

// Of the largest class that has some.
std::string next_step(MemoryClasses classes, const Remedies& remedies) {
  std::stable_sort(classes.begin(), classes.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [name, bytes] : classes) {
    if (const auto found = remedies.find(name); found != remedies.end())
      return str("for less ", name, ": ", found->second);
  }
  return remedies.empty() ? "" : remedies.begin()->second;
}

}  // namespace

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const std::string_view text = error.what();
  return text.find("out of memory") != text.npos || text.find("can't allocate memory") != text.npos ||
         text.find("CUBLAS_STATUS_ALLOC_FAILED") != text.npos;
}

int64_t device_memory_bytes(at::Device device) {
  if (device.is_cpu()) return cpu_memory_bytes();
  return static_cast<int64_t>(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).second);
}

void within_memory(const std::string& device, const Remedies& remedies, const std::function<MemoryClasses()>& estimate,
                   const std::function<void()>& run) {
  std::string reason;
  try {
    return run();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    reason = reason_of(error);
  }
  const MemoryClasses classes = classes_of(estimate);
  throw Error(ExitCode::out_of_memory,
              {.what = "out of memory",
               .where = device_text(device),
               .expected = classes.empty() ? "" : "room for " + memory_text(classes) + ", estimated",
               .found = reason,
               .next_step = next_step(classes, remedies)});
}

}  // namespace bt
