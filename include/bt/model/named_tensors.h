// Tensors by name, to and from safetensors files: what checkpoints and saved methods are made of.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bt {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Writes copies on the CPU, atomically. Names are distinct. ExitCode::io.
void save_tensors(const std::string& path, const NamedTensors& tensors,
                  const std::map<std::string, std::string>& metadata = {});

// Copies every tensor of the file into the one of its name, converting the floating type. ExitCode::bad_file naming
// file and tensor where one is missing, unknown, of another shape, or not floating; nothing is written then.
void load_tensors(const std::string& path, const NamedTensors& into);

uint64_t total_bytes(const NamedTensors& tensors);

}  // namespace bt
