// CPython's random.Random, as far as few-shot prompts drawn by Python scripts need it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bt {

// random.Random(seed) for 0 <= seed < 2^32: MT19937 (Matsumoto and Nishimura 1998), seeded as CPython seeds an int.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);
  uint32_t next_u32();  // getrandbits(32)
  // random.sample(range(population), count): distinct indices in selection order. count <= population < 2^32.
  std::vector<size_t> sample(size_t population, size_t count);

 private:
  size_t below(size_t bound);
  void refill();

  std::array<uint32_t, 624> state_;
  size_t used_ = 624;
};

}  // namespace bt
