// A safetensors file written in pieces, so that its tensors need not lie in memory together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bt/format/dtype.h"

namespace bt {

struct TensorOutline {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
};

// Writes to `path`.tmp; commit() makes it `path` (sync, rename, sync of the folder), else it is removed. Byte for byte
// what the reference writer writes: tensors by descending alignment (its order of types), then name; header padded to 8
// bytes. Existing mappings of a replaced file stay valid. ExitCode::io on failure, and before anything is written when
// the disk has no room for the whole file.
//
//   SafetensorsWriter writer(path, outlines);
//   for (const size_t i : writer.order()) writer.write(bytes_of(tensors[i]));
//   writer.commit();
class SafetensorsWriter {
 public:
  SafetensorsWriter(std::string path, std::vector<TensorOutline> tensors,
                    const std::map<std::string, std::string>& metadata = {});  // names are distinct (asserted)
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  const std::vector<size_t>& order() const;     // in which the tensors' data must come
  void write(std::span<const std::byte> data);  // the next bytes, of one tensor or a part: little-endian, contiguous
  void commit();                                // all data must have come (asserted)

 private:
  struct Output;
  std::unique_ptr<Output> output_;
};

}  // namespace bt
