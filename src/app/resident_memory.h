// Memory of this process as the system counts it (Linux, /proc/self).
#pragma once

#include <cstdint>

namespace bt {

int64_t resident_bytes();       // now
int64_t peak_resident_bytes();  // the most since the last reset_peak_resident(), or since the start
void reset_peak_resident();

}  // namespace bt
