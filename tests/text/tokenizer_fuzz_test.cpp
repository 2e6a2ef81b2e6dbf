// Mutated tokenizer.json files: whatever stands in them, loading, encoding and decoding return or throw bt::Error.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "bt/core/json.h"
#include "bt/core/log.h"
#include "bt/core/random.h"
#include "bt/core/strings.h"
#include "bt/text/streaming_decoder.h"
#include "bt/text/tokenizer.h"
#include "support/fuzzing.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

constexpr std::array kLayouts = {"gpt2",  "llama3",          "split_isolated", "llama2",
                                 "gemma", "metaspace_first", "metaspace_unk",  "odd_flags"};

// Whether a token stays: single characters and bytes that Mutator::text() has, and what they merge to.
bool stays(const std::string& token) {
  static const std::set<std::string> kTokens = {
      "<unk>", "<s>",    "</s>",   "<pad>",  "a",      "b",      "f",  "h",  "o",  "s", "t", "m",
      "k",     "1",      "2",      "<",      ">",      "'",      "Ġ",  "Ċ",  "▁",  "Ã", "©", "ð",
      "é",     "<0x0A>", "<0x20>", "<0xC3>", "<0xA9>", "<0xFF>", "th", "as", "▁h", "ha"};
  return kTokens.contains(token);
}

// The integers of the tree that name a token by its old id.
Json renumbered(const Json& json, const std::map<int64_t, int64_t>& ids) {
  if (json.is_object()) {
    Json::Object members = json.as_object("");
    for (auto& [key, value] : members) {
      if (key != "type_id") value = renumbered(value, ids);
    }
    return Json::object(std::move(members));
  }
  if (json.is_array()) {
    Json::Array items = json.as_array("");
    for (Json& item : items) item = renumbered(item, ids);
    return Json(std::move(items));
  }
  const auto found = json.is_integer() ? ids.find(json.as_int("")) : ids.end();
  return found == ids.end() ? json : Json(found->second);
}

// A fixture with most of its vocabulary left out, so that a mutation often meets something else, and many are read.
Json reduced(const std::string& layout) {
  const std::string file = str(BT_SOURCE_DIR, "/tests/text/fixtures/tokenizers/", layout, ".tokenizer.json");
  Json json = Json::parse_file(file);
  Json model = json.at("model", file);
  Json vocabulary = Json::object(), merges = Json::array();
  std::map<int64_t, int64_t> ids;
  const auto add = [&](const std::string& token, int64_t old_id) {
    const auto next = static_cast<int64_t>(vocabulary.as_object(file).size());
    if (old_id >= 0) ids.emplace(old_id, next);
    vocabulary.set(token, Json(next));
  };
  for (const auto& [token, id] : model.at("vocab", file).as_object(file)) {
    if (stays(token)) add(token, id.as_int(file));
  }
  for (const char* token : {"th", "as", "▁h", "ha"}) {
    if (!vocabulary.contains(token)) add(token, -1);
  }
  if (vocabulary.contains("h") && vocabulary.contains("a")) merges.push_back("h a");
  if (vocabulary.contains("t") && vocabulary.contains("h")) merges.push_back("t h");
  auto next = static_cast<int64_t>(vocabulary.as_object(file).size());
  for (const Json& token : json.at("added_tokens", file).as_array(file)) {
    if (ids.emplace(token.at("id", file).as_int(file), next).second) ++next;
  }
  for (const char* key : {"added_tokens", "post_processor"}) json.set(key, renumbered(json.at(key, file), ids));
  model.set("vocab", std::move(vocabulary));
  model.set("merges", std::move(merges));
  json.set("model", std::move(model));
  return json;
}

class Mutator {
 public:
  explicit Mutator(CounterRng& rng) : rng_(rng) {}

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
      constexpr std::array<int64_t, 7> kNumbers = {-1, 0, 1, 255, 65535, 4194304, 9223372036854775807};
      constexpr int64_t kGreatestId = 4194303;  // read, and slow
      return Json(below(64) == 0 ? kGreatestId : kNumbers[below(kNumbers.size())]);
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

  CounterRng& rng_;
};

class TokenizerFuzz {
 public:
  TokenizerFuzz() {
    for (const char* layout : kLayouts) seeds_.push_back(reduced(layout));
    log::set_level(log::Level::error);  // mutants warn of their ids
  }
  ~TokenizerFuzz() {
    log::set_level(log::Level::info);
    std::error_code ignored;
    fs::remove(file_, ignored);
  }

  testing::FuzzTarget target() {
    std::vector<std::string> texts;
    for (const Json& seed : seeds_) texts.push_back(seed.dump());
    return {.name = "tokenizer",
            .seeds = texts,
            .read = [this](const std::string& text, testing::StageCounts& stages) { read(text, stages); },
            .floors = {{"json", 0.9}, {"loaded", 0.2}, {"read", 0.1}},
            .mutate = [this](const std::string& seed, const std::vector<std::string>& all,
                             CounterRng& rng) { return mutated(static_cast<size_t>(&seed - all.data()), rng); }};
  }

 private:
  std::string mutated(size_t seed, CounterRng& rng) const {
    Mutator mutator(rng);
    Json json = mutator.mutated(seeds_[seed]);
    if (mutator.below(2) == 0) json = mutator.mutated(json);
    std::string text = json.dump();
    return mutator.below(16) == 0 ? testing::mutate_bytes(std::move(text), rng) : text;
  }

  void read(const std::string& text, testing::StageCounts& stages) {
    std::ofstream(file_, std::ios::binary) << text;
    const std::unique_ptr<Tokenizer> tokenizer = load(text, stages);
    stages.reach("loaded");
    CounterRng rng(1, stream_id(text.c_str()));  // the same texts for the same file
    Mutator mutator(rng);
    const std::vector<int32_t> ids = tokenizer->encode(mutator.text(), true);
    stages.reach("encoded");
    EXPECT_TRUE(is_valid_utf8(tokenizer->decode(ids)));
    std::vector<int32_t> any = ids;
    for (int32_t& id : any) id = static_cast<int32_t>(mutator.below(static_cast<size_t>(tokenizer->vocab_size())));
    StreamingDecoder decoder(*tokenizer);
    std::string streamed;
    for (const int32_t id : any) {
      streamed += decoder.push(id);
      tokenizer->token_bytes(id);
    }
    streamed += decoder.finish();
    EXPECT_EQ(streamed, tokenizer->decode(any, true));
  }

  std::unique_ptr<Tokenizer> load(const std::string& text, testing::StageCounts& stages) const {
    try {
      auto tokenizer = load_tokenizer(file_);
      stages.reach("json");
      return tokenizer;
    } catch (const Error&) {
      Json::parse(text, "fuzz");
      stages.reach("json");
      throw;
    }
  }

  std::vector<Json> seeds_;
  std::string file_ = str(::testing::TempDir(), "bt_tokenizer_fuzz_", ::getpid(), ".json");
};

TEST(Fuzz, TokenizerJson) {
  TokenizerFuzz fuzz;
  testing::fuzz(fuzz.target(), 1'000);
}
TEST(FullFuzz, TokenizerJson) {
  TokenizerFuzz fuzz;
  testing::fuzz(fuzz.target(), 50'000);
}

}  // namespace
}  // namespace bt
