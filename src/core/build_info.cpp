#include "bt/core/build_info.h"

#include "git_hash.h"
#include "settings.h"

namespace bt {

const BuildInfo& build_info() {
  static constexpr BuildInfo info{BT_VERSION,       BT_GIT_HASH, BT_LIBTORCH_VERSION,
                                  BT_LIBTORCH_ROOT, BT_COMPILER, BT_BUILD_TYPE};
  return info;
}

}  // namespace bt
