// What to tell a user whose GPU computes attention without a kernel of ours.
#pragma once

#include <string>

#include "bt/model/decoder.h"

namespace bt {

// Empty where there is no GPU, and where there is a kernel for the decoder's heads.
std::string attention_notice(const Decoder& decoder);

}  // namespace bt
