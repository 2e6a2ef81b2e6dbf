// A model's tokens by id, and ids by token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/json.h"

namespace bt::hf {

inline constexpr int32_t kNoToken = -1;
inline constexpr int64_t kMaxTokenId = (int64_t{1} << 22) - 1;  // highest id read; bounds the tables by id

class Vocabulary {
 public:
  // {"token": id, ...}. ExitCode::bad_file: an id outside 0 to kMaxTokenId, or one that two tokens have.
  Vocabulary(const Json::Object& tokens, const std::string& where);

  int32_t id_of(std::string_view token) const;                          // kNoToken when there is none
  std::string_view token_of(int32_t id) const;                          // empty when there is none
  bool has(int32_t id) const;                                           // any id
  int64_t size() const { return static_cast<int64_t>(spans_.size()); }  // highest id + 1
  int64_t count() const { return count_; }  // tokens; less than size() where ids are skipped

 private:
  struct Span {
    uint32_t begin = 0;
    int32_t length = -1;  // -1: no token
  };
  struct Slot {
    uint32_t tag = 0;  // high bits of the hash
    int32_t id = kNoToken;
  };
  void add(std::string_view token, int32_t id);

  std::string characters_;   // of all tokens
  std::vector<Span> spans_;  // by id
  std::vector<Slot> slots_;  // open addressing, at most half full
  int64_t count_ = 0;
};

}  // namespace bt::hf
