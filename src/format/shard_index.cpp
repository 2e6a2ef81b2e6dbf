#include "shard_index.h"

#include <set>
#include <string_view>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "file_name.h"

namespace bt {

ShardIndex parse_shard_index(const Json& index, const std::string& source) {
  constexpr size_t kMaxShards = 10'000;
  const std::string where = str(source, ": weight_map");
  ShardIndex shard_of;
  std::set<std::string_view> shards;
  for (const auto& [tensor, value] : index.at("weight_map", source).as_object(where)) {
    const std::string& shard = value.as_string(str(where, ".", tensor));
    if (!is_plain_file_name(shard)) {
      fail_bad_file({.what = "shard name is not a plain file name",
                     .where = str(where, ".", tensor),
                     .expected = "a file beside the index",
                     .found = Json(shard).dump()});
    }
    shard_of[tensor] = shard;
    shards.insert(shard);
  }
  if (shards.empty() || shards.size() > kMaxShards) {
    fail_bad_file({.what = "bad number of shards",
                   .where = where,
                   .expected = str("1 to ", kMaxShards),
                   .found = str(shards.size())});
  }
  return shard_of;
}

}  // namespace bt
