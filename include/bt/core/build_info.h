// What this build was made from, known without loading LibTorch.
#pragma once

namespace bt {

struct BuildInfo {
  const char* version;           // "0.1.0"
  const char* git_hash;          // 12 hex digits, "-dirty" after them with uncommitted changes, or "unknown"
  const char* libtorch_version;  // "2.11.0"; "" in a build without LibTorch
  const char* libtorch_root;     // the folder that held lib/libtorch_cpu.so at configure time
  const char* compiler;          // "GNU 12.2.0"
  const char* build_type;        // "Release"
};

const BuildInfo& build_info();

}  // namespace bt
