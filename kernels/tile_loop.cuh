// A loop over tiles in shared memory, one being copied while another is used.
#pragma once

#include "kernels/tensor_cores.cuh"

namespace bt::kernels {

// Calls copy(tile, its first row), which starts copies, then use(tile, its first row) for tiles [begin, end), a Tile
// after the other. All threads of the block come; shared memory holds two tiles.
template <class Tile, class Copy, class Use>
__device__ __forceinline__ void for_each_tile(int begin, int end, const Copy& copy, const Use& use) {
  const auto at = [&](int tile) { return Tile(shared_memory<unsigned char>() + (tile & 1) * Tile::kBytes); };
  if (begin < end) copy(at(begin), begin * Tile::kRows);
  commit_copies();
  for (int tile = begin; tile < end; ++tile) {
    if (tile + 1 < end) copy(at(tile + 1), (tile + 1) * Tile::kRows);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    use(at(tile), tile * Tile::kRows);
    __syncthreads();  // read before the next copy but one begins
  }
}

}  // namespace bt::kernels
