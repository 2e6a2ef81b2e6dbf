// What the mains of tools/ share: LibTorch is opened only once a command line and its config have been found good.
//
//   int main(int argc, char** argv) {
//     return bt::tools::guarded("bt-train", [&] {
//       TrainRequest request = ...;                                       // CLI11 and the option structs, no LibTorch
//       return bt::tools::launch("bt_train_main", &request, request.device);
//     });
//   }
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace bt::tools {

// Runs `body` and returns its exit code. A bt::Error becomes its message on standard error and its code; exhausted
// memory 5; what standard output could not take 6; any other exception, a bug of ours, a message that says so and 1.
int guarded(std::string_view tool, const std::function<int()>& body);

// Answer to --version: version, commit, compiler, LibTorch built against. Does not load LibTorch.
std::string version_text(std::string_view tool);

// Opens LibTorch, its CUDA part where `device` asks for one, and libbt.so, then returns `entry_symbol(request)`.
// `entry_symbol` names an extern "C" int (const void*) of libbt.so; `device`: cpu | cuda | cuda:N | auto.
// ExitCode::usage: no LibTorch, or not the version built against, or a CUDA device without CUDA libraries;
// ExitCode::bad_file: a library that cannot be opened. About 0.4 s, and 0.3 s more with CUDA.
int launch(const char* entry_symbol, const void* request, std::string_view device);

// Lets LibTorch's CUDA allocator grow its segments instead of adding new ones, by the environment it reads: batches of
// many lengths else leave gaps that no later batch fits into. Whatever the user has set there stays. Called by launch
// for every device but the CPU.
void use_expandable_segments();

// The folder that holds lib/libtorch_cpu.so, of the version built against: $BT_LIBTORCH if set, else the folder
// recorded at configure time, else a .venv in the program's folder or one above it.
std::string find_libtorch(const std::string& program_folder);

// "2.11.0" for a LibTorch folder, "" if nothing in it tells.
std::string libtorch_version(const std::string& root);

}  // namespace bt::tools
