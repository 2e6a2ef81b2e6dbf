// Mutants of JSON texts against the parser: what it reads, it writes so that it reads the same again.
#include "bt/core/json.h"
#include "support/fuzzing.h"

namespace bt {
namespace {

testing::FuzzTarget json() {
  return {.name = "json",
          .seeds = {R"(["é", {"x": [[[-1.5e-7, true, null]]]}, 18446744073709551615, "\ud83d\ude00\n"])",
                    R"({"a": {"b": [1, 2.5, "c"], "d": {}}, "e": [], "f": false, "": -9223372036854775808})"},
          .read =
              [](const std::string& text, testing::StageCounts& stages) {
                const Json value = Json::parse(text, "fuzz");
                stages.reach("json");
                EXPECT_EQ(Json::parse(value.dump(), "dumped"), value) << text;
              },
          .floors = {{"json", 0.4}}};
}

TEST(Fuzz, Json) { testing::fuzz(json(), 2'000); }
TEST(FullFuzz, Json) { testing::fuzz(json(), 200'000); }

}  // namespace
}  // namespace bt
