// Mutated tokenizer.json files: whatever stands in them, loading, encoding and decoding return or throw bt::Error.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/log.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"
#include "bt/text/streaming_decoder.h"
#include "bt/text/tokenizer.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

constexpr std::array kLayouts = {"gpt2", "llama3", "qwen2", "llama2", "metaspace_first", "metaspace_unk", "odd_flags"};

// A fixture with most of its vocabulary left out, so that a mutation often meets something else.
Json reduced(const std::string& layout) {
  const std::string file = str(BT_SOURCE_DIR, "/tests/text/fixtures/tokenizers/", layout, ".tokenizer.json");
  Json json = Json::parse_file(file);
  Json model = json.at("model", file);
  const bool bytes = model.at("vocab", file).contains("<0x00>");
  Json vocabulary = Json::object(), merges = Json::array();
  int64_t next = 0;
  for (const auto& [token, id] : model.at("vocab", file).as_object(file)) {
    if (token.size() <= 2 || (bytes && token.size() <= 6 && token.starts_with('<')))
      vocabulary.set(token, Json(next++));
  }
  for (const char* token : {"th", "as", "▁h", "ha"}) {
    if (!vocabulary.contains(token)) vocabulary.set(token, Json(next++));
  }
  if (vocabulary.contains("h") && vocabulary.contains("a")) merges.push_back("h a");
  if (vocabulary.contains("t") && vocabulary.contains("h")) merges.push_back("t h");
  model.set("vocab", std::move(vocabulary));
  model.set("merges", std::move(merges));
  json.set("model", std::move(model));
  return json;
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : rng_(seed, stream_id("tokenizer_fuzz")) {}

  size_t below(size_t n) { return static_cast<size_t>(rng_.below(static_cast<uint64_t>(n))); }

  // One value somewhere in the tree replaced, doubled or dropped.
  Json mutated(const Json& json, int depth = 0) {
    if (json.is_object() && !json.as_object("").empty() && (depth < 2 || below(4) > 0)) return in_object(json, depth);
    if (json.is_array() && !json.as_array("").empty() && below(4) > 0) return in_array(json, depth);
    return replacement(json);
  }

  std::string text() {
    static const std::vector<std::string> kParts = {"hat",
                                                    " ",
                                                    "  ",
                                                    "\n",
                                                    "<s>",
                                                    "foo",
                                                    "é",
                                                    "e\u0301",
                                                    "🦊",
                                                    "\xFF",
                                                    "\xE2\x96",
                                                    "▁",
                                                    "12",
                                                    "'s",
                                                    "<mask>",
                                                    "\u2028",
                                                    std::string(1, '\0'),
                                                    "[X]",
                                                    "\U0010FFFF"};
    std::string out;
    for (size_t n = below(8); n > 0; --n) out += kParts[below(kParts.size())];
    return out;
  }

 private:
  Json in_object(const Json& json, int depth) {
    Json::Object members = json.as_object("");
    const size_t at = below(members.size());
    if (below(12) == 0) {
      members.erase(members.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (below(12) == 0) {
      members[at].first = text();
    } else {
      members[at].second = mutated(members[at].second, depth + 1);
    }
    return Json::object(std::move(members));
  }

  Json in_array(const Json& json, int depth) {
    Json::Array items = json.as_array("");
    const size_t at = below(items.size());
    const size_t choice = below(8);
    if (choice == 0) {
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (choice == 1) {
      items.push_back(items[at]);
    } else {
      items[at] = mutated(items[at], depth + 1);
    }
    return Json(std::move(items));
  }

  Json replacement(const Json& old) {
    static const std::vector<std::string> kTexts = {"",           " ",           "▁",
                                                    "a",          "h",           "Sequence",
                                                    "ByteLevel",  "Metaspace",   "Split",
                                                    "NFKC",       "Lowercase",   "Strip",
                                                    "Replace",    "Prepend",     "ByteFallback",
                                                    "Fuse",       "first",       "Removed",
                                                    "Contiguous", "<0x41>",      "<0xZZ>",
                                                    "<0x-1>",     "\\s+",        "(a|b",
                                                    "[^\\S]",     "(?i)x",       "\\p{L}{1,3}+",
                                                    "(?:a*)*",    "\\x{110000}", "x{,4}",
                                                    "(?=h)",      "|",           "[]",
                                                    "\\",         "<s>",         "h a"};
    if (old.is_integer() && below(3) > 0) {
      constexpr std::array<int64_t, 7> kNumbers = {-1, 0, 1, 255, 4194303, 4194304, 9223372036854775807};
      return Json(kNumbers[below(kNumbers.size())]);
    }
    if (old.is_string() && below(5) > 0) return Json(kTexts[below(kTexts.size())]);
    if (old.is_bool() && below(5) > 0) return Json(!old.as_bool(""));
    switch (below(6)) {
      case 0:
        return Json();
      case 1:
        return Json(true);
      case 2:
        return Json(0.5);
      case 3:
        return Json::array({old});
      case 4:
        return Json::object({{"type", Json(kTexts[below(kTexts.size())])}});
      default:
        return Json(kTexts[below(kTexts.size())]);
    }
  }

  CounterRng rng_;
};

struct Stages {
  int loaded = 0, encoded = 0, decoded = 0;
};

void use(const Tokenizer& tokenizer, Mutator& mutator, Stages& stages) {
  const std::vector<int32_t> ids = tokenizer.encode(mutator.text(), true);
  ++stages.encoded;
  std::vector<int32_t> any = ids;
  for (int32_t& id : any) id = static_cast<int32_t>(mutator.below(static_cast<size_t>(tokenizer.vocab_size())));
  StreamingDecoder decoder(tokenizer);
  std::string streamed;
  for (const int32_t id : any) streamed += decoder.push(id) + tokenizer.token_bytes(id).substr(0, 0);
  streamed += decoder.finish();
  EXPECT_EQ(streamed, tokenizer.decode(any, true));
  EXPECT_TRUE(is_valid_utf8(tokenizer.decode(ids)));
  ++stages.decoded;
}

Stages fuzz(uint64_t seed, int rounds) {
  std::vector<Json> seeds;
  for (const char* layout : kLayouts) seeds.push_back(reduced(layout));
  const fs::path file = fs::path(::testing::TempDir()) / ("bt_tokenizer_fuzz_" + std::to_string(::getpid()) + ".json");
  log::set_level(log::Level::error);  // mutants warn of their ids
  Mutator mutator(seed);
  Stages stages;
  for (int round = 0; round < rounds; ++round) {
    Json json = mutator.mutated(seeds[mutator.below(seeds.size())]);
    if (mutator.below(2) == 0) json = mutator.mutated(json);
    {
      std::string text = json.dump();
      FILE* out = std::fopen(file.c_str(), "wb");
      std::fwrite(text.data(), 1, text.size(), out);
      std::fclose(out);
    }
    try {
      const auto tokenizer = load_tokenizer(file);
      ++stages.loaded;
      use(*tokenizer, mutator, stages);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ExitCode::bad_file) << error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "round " << round << ": " << error.what() << "\n" << json.dump();
    }
  }
  log::set_level(log::Level::info);
  fs::remove(file);
  std::cout << "of " << rounds << " mutants loaded: " << stages.loaded << ", encoded: " << stages.encoded
            << ", decoded: " << stages.decoded << "\n";
  return stages;
}

TEST(TokenizerFuzz, MutantsAreReadOrRefused) {
  const Stages stages = fuzz(1, 600);
  EXPECT_GT(stages.loaded, 100);
  EXPECT_GT(stages.decoded, 50);
  EXPECT_LT(stages.loaded, 590);
}

// BT_FUZZ_ROUNDS and BT_FUZZ_SEED choose another run.
TEST(FullTokenizerFuzz, MutantsAreReadOrRefused) {
  const auto number = [](const char* name, int otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::atoi(text);
  };
  const Stages stages = fuzz(static_cast<uint64_t>(number("BT_FUZZ_SEED", 2)), number("BT_FUZZ_ROUNDS", 20'000));
  EXPECT_GT(stages.decoded, 0);
}

}  // namespace
}  // namespace bt
