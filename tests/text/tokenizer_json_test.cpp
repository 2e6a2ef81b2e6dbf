// tokenizer.json: the ids and texts of the Hugging Face library (fixtures: make_tokenizer_fixtures.py), refusals, and
// how text streams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <thread>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "bt/text/boundaries.h"
#include "bt/text/json_lines.h"
#include "bt/text/streaming_decoder.h"
#include "bt/text/tokenizer.h"

namespace bt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

const fs::path kFixtures = fs::path(BT_SOURCE_DIR) / "tests/text/fixtures/tokenizers";

std::vector<std::string> layouts() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFixtures)) {
    const std::string file = entry.path().filename();
    if (file.ends_with(".cases.jsonl")) names.push_back(file.substr(0, file.find('.')));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string fixture(const std::string& name) { return kFixtures / (name + ".tokenizer.json"); }

std::vector<int32_t> ids_of(const Json& row, const char* key) {
  std::vector<int32_t> ids;
  for (const Json& id : row.at(key, key).as_array(key)) ids.push_back(static_cast<int32_t>(id.as_int(key)));
  return ids;
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip_special) {
  StreamingDecoder decoder(tokenizer, skip_special);
  std::string text;
  for (const int32_t id : ids) {
    const std::string part = decoder.push(id);
    EXPECT_TRUE(is_valid_utf8(part)) << quoted_excerpt(part);
    text += part;
  }
  return text + decoder.finish();
}

class TokenizerJson : public ::testing::TestWithParam<std::string> {};

TEST_P(TokenizerJson, AgreesWithTheHuggingFaceLibrary) {
  const auto tokenizer = load_tokenizer(fixture(GetParam()));
  const std::string file = kFixtures / (GetParam() + ".cases.jsonl");
  const std::vector<Json> rows = read_json_lines(file);
  EXPECT_GT(rows.size(), 100u);
  for (const Json& row : rows) {
    const std::string text = row.contains("text") ? row.at("text", file).as_string(file) : "";
    const std::vector<int32_t> special = ids_of(row, row.contains("special") ? "special" : "ids");
    const auto text_of = [&](const char* key) { return row.contains(key) ? row.at(key, file).as_string(file) : text; };
    if (row.contains("text")) {
      EXPECT_EQ(tokenizer->encode(text), ids_of(row, "ids")) << quoted_excerpt(text);
      EXPECT_EQ(tokenizer->encode(text, true), special) << quoted_excerpt(text);
    }
    EXPECT_EQ(tokenizer->decode(special), text_of("decoded")) << quoted_excerpt(text);
    EXPECT_EQ(tokenizer->decode(special, true), text_of("skipped")) << quoted_excerpt(text);
    EXPECT_EQ(streamed(*tokenizer, special, true), text_of("skipped")) << quoted_excerpt(text);
  }
}

// Any ids, not only those of a text: half characters, spoilt runs of bytes.
TEST_P(TokenizerJson, AStreamIsTheDecodedText) {
  const auto tokenizer = load_tokenizer(fixture(GetParam()));
  std::mt19937 random(3);
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<int32_t> ids(random() % 12);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint64_t>(tokenizer->vocab_size()));
    ASSERT_EQ(streamed(*tokenizer, ids, false), tokenizer->decode(ids));
    ASSERT_TRUE(is_valid_utf8(tokenizer->decode(ids)));
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, TokenizerJson, ::testing::ValuesIn(layouts()),
                         [](const auto& layout) { return layout.param; });

int32_t id_of(const Tokenizer& tokenizer, const std::string& bytes) {
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.token_bytes(id) == bytes) return id;
  }
  ADD_FAILURE() << "no token " << quoted_excerpt(bytes);
  return 0;
}

TEST(TokenBytes, AreThoseInTheMiddleOfAText) {
  const auto gpt2 = load_tokenizer(fixture("gpt2")), gemma = load_tokenizer(fixture("gemma"));
  for (const Tokenizer* tokenizer : {gpt2.get(), gemma.get()}) {
    const BoundaryTable table(*tokenizer, tokenizer->vocab_size());
    EXPECT_TRUE(table.has_newline(id_of(*tokenizer, "\n")));
    EXPECT_TRUE(table.is_visible(id_of(*tokenizer, " has")));
    std::string joined;
    const std::string text = "Ann has 12 🦊\n  é\n";
    for (const int32_t id : tokenizer->encode(text)) joined += tokenizer->token_bytes(id);
    EXPECT_EQ(joined, text);
  }
  EXPECT_EQ(gemma->token_bytes(gemma->encode("\xC3\xBF").front()), "\xC3");  // of a byte token
  EXPECT_THAT(gemma->token_bytes(1), IsEmpty());                             // <s>
  EXPECT_TRUE(gemma->is_special(1));
  EXPECT_FALSE(gemma->is_special(3));  // <0x00>
}

TEST(StreamingDecoding, HoldsBackHalfCharacters) {
  const auto tokenizer = load_tokenizer(fixture("gpt2"));
  const std::vector<int32_t> fox = tokenizer->encode("🦊");
  ASSERT_GE(fox.size(), 2u);
  StreamingDecoder decoder(*tokenizer);
  for (size_t i = 0; i + 1 < fox.size(); ++i) EXPECT_EQ(decoder.push(fox[i]), "");
  EXPECT_EQ(decoder.push(fox.back()), "🦊");
  EXPECT_EQ(decoder.push(fox[0]), "");
  EXPECT_EQ(decoder.push(tokenizer->encode("a")[0]), "\uFFFDa");
  EXPECT_EQ(decoder.push(fox[0]), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
}

TEST(StreamingDecoding, HoldsBackRunsOfByteTokens) {
  const auto tokenizer = load_tokenizer(fixture("llama2"));
  const auto byte = [](int value) { return 3 + value; };
  StreamingDecoder whole(*tokenizer);
  EXPECT_EQ(whole.push(byte(0xC3)), "");
  EXPECT_EQ(whole.push(byte(0xA9)), "");
  EXPECT_EQ(whole.push(tokenizer->encode("a").back()), "\u00E9a");
  StreamingDecoder spoilt(*tokenizer);
  spoilt.push(byte(0xC3));
  spoilt.push(byte(0xA9));
  spoilt.push(byte(0xFF));
  EXPECT_EQ(spoilt.finish(), "\uFFFD\uFFFD\uFFFD");
}

TEST(StreamingDecoding, StripsOneSpaceAtTheBeginningAlone) {
  const auto tokenizer = load_tokenizer(fixture("llama2"));
  const std::vector<int32_t> ids = tokenizer->encode("has has");
  StreamingDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(ids[0]), "has");
  EXPECT_EQ(decoder.push(ids[1]), " has");
}

TEST(StreamingDecoding, OfBytesKeepsThemAsTheyAre) {
  const auto tokenizer = load_tokenizer("bytes");
  StreamingDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0x9F), "");
  EXPECT_EQ(decoder.push('x'), "\xF0\x9Fx");
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.finish(), "\xE2");
}

TEST(IncompleteTail, IsTheBeginningOfACharacter) {
  EXPECT_EQ(incomplete_utf8_tail(""), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a\xC3"), 1u);
  EXPECT_EQ(incomplete_utf8_tail("\xE2\x96"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x9F\xA6"), 3u);
  EXPECT_EQ(incomplete_utf8_tail("\xE0"), 1u);
  EXPECT_EQ(incomplete_utf8_tail("\xE2\x96\x81"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\xE0\x80"), 0u);  // overlong
  EXPECT_EQ(incomplete_utf8_tail("\xED\xA0"), 0u);  // a surrogate
  EXPECT_EQ(incomplete_utf8_tail("\xC0"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\x96"), 0u);
}

TEST(TokenizerJsonText, ThatIsNoUtf8IsReadAsPythonReplacesIt) {
  for (const char* layout : {"gpt2", "llama2", "qwen2"}) {
    const auto tokenizer = load_tokenizer(fixture(layout));
    EXPECT_EQ(tokenizer->encode("a\xFF\xF0\x9F.b\xE2"), tokenizer->encode("a\uFFFD\uFFFD.b\uFFFD")) << layout;
  }
}

TEST(TokenizerJsonText, OfOneCharacterIsEncodedWhateverItsLength) {
  for (const std::string& layout : layouts()) {
    const auto tokenizer = load_tokenizer(fixture(layout));
    for (const char* part : {"a", " ", "\n", "\u0301", "1", "=", "▁", "ab"}) {
      std::string text;
      for (int i = 0; i < 100'000; ++i) text += part;
      EXPECT_FALSE(layout == "gpt2" && tokenizer->encode(text).empty());
      tokenizer->encode(text);
    }
  }
}

TEST(TokenizerJsonText, EncodesInManyThreadsAtOnce) {
  const auto tokenizer = load_tokenizer(fixture("llama3"));
  const std::string text = "Ann has 12 apples. She'll buy 3 more.\n";
  const std::vector<int32_t> expected = tokenizer->encode(text);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) EXPECT_EQ(tokenizer->encode(text), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

fs::path folder(const std::string& name) {
  const fs::path path =
      fs::path(::testing::TempDir()) / ("bt_tokenizer_json_" + std::to_string(::getpid()) + "_" + name);
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

TEST(TokenizerFolder, SpecialTokensComeFromTheConfigurationBeside) {
  const fs::path path = folder("special");
  fs::copy_file(fixture("gemma"), path / "tokenizer.json");
  EXPECT_EQ(load_tokenizer(path)->bos_id(), std::nullopt);
  write_file_atomically(path / "special_tokens_map.json", R"({"pad_token": {"content": "<unk>"}, "eos_token": "<s>"})");
  write_file_atomically(path / "tokenizer_config.json",
                        R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": null})");
  const auto tokenizer = load_tokenizer(path);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_EQ(tokenizer->pad_id(), 0);
}

TEST(TokenizerFolder, SavingCarriesItsFilesAlong) {
  const fs::path path = folder("saved"), copy = folder("saved_copy");
  fs::copy_file(fixture("gemma"), path / "tokenizer.json");
  for (const char* name :
       {"tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "tokenizer.model"}) {
    write_file_atomically(path / name, std::string(name).ends_with(".json") ? "{}" : "kept");
  }
  const auto tokenizer = load_tokenizer(path);
  tokenizer->save(copy);
  for (const auto& entry : fs::directory_iterator(path)) {
    EXPECT_EQ(read_file(copy / entry.path().filename()), read_file(entry.path()));
  }
  EXPECT_EQ(load_tokenizer(copy)->fingerprint(), tokenizer->fingerprint());
}

// A small tokenizer.json with one thing changed.
std::string small(const std::string& from = "", const std::string& to = "") {
  std::string text = R"({"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 3, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false}],
    "normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s"}, "behavior": "Isolated",
    "invert": false}, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>",
    "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [3],
    "tokens": ["<s>"]}}}, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::unique_ptr<Tokenizer> load_text(const std::string& text) {
  const fs::path file = folder("text") / "tokenizer.json";
  write_file_atomically(file, text);
  return load_tokenizer(file);
}

TEST(TokenizerJsonFile, ReadsTheSmallOne) {
  const auto tokenizer = load_text(small());
  EXPECT_EQ(tokenizer->vocab_size(), 4);
  EXPECT_THAT(tokenizer->encode("ab<s>ba", true), ElementsAre(3, 2, 3, 1, 0));
  EXPECT_THAT(load_text(small(R"("a b")", R"(["a", "b"])"))->encode("ab"), ElementsAre(2));
}

// Where the library numbers an added token otherwise than the file, its number counts.
TEST(TokenizerJsonFile, NumbersAddedTokensAsTheLibraryDoes) {
  EXPECT_THAT(load_text(small(R"("id": 3, "content": "<s>")", R"("id": 7, "content": "<s>")"))->encode("<s>"),
              ElementsAre(3));
  EXPECT_THAT(load_text(small(R"("id": 3, "content": "<s>")", R"("id": 7, "content": "<t>")"))->encode("a<t>"),
              ElementsAre(0, 3));
}

void expect_refused(const std::string& from, const std::string& to, const std::string& part) {
  try {
    load_text(small(from, to));
    ADD_FAILURE() << "accepted: " << to;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(part)) << to;
    EXPECT_THAT(error.what(), HasSubstr("tokenizer.json")) << to;
  }
}

TEST(TokenizerJsonFile, WhatIsNotSupportedIsRefusedByName) {
  expect_refused(R"("type": "BPE")", R"("type": "WordPiece")", "WordPiece");
  expect_refused(R"("type": "BPE")", R"("type": "Unigram")", "\"BPE\"");
  expect_refused(R"("type": "NFC")", R"("type": "Precompiled")", "Precompiled");
  expect_refused(R"("type": "Split")", R"("type": "UnicodeScripts")", "UnicodeScripts");
  expect_refused(R"("type": "Fuse")", R"("type": "CTC")", "CTC");
  expect_refused(R"("type": "TemplateProcessing")", R"("type": "Other")", "Other");
  expect_refused(R"("dropout": null)", R"("dropout": 0.1)", "dropout");
  expect_refused(R"("unk_token": null)", R"("end_of_word_suffix": "</w>")", "end_of_word_suffix");
  expect_refused(R"("behavior": "Isolated")", R"("behavior": "isolated")", "MergedWithNext");
}

TEST(TokenizerJsonFile, PatternsThatPcre2WouldReadOtherwiseAreRefused) {
  for (const char* pattern : {R"([\\p{L}&&[a]])", R"([a[b]])", R"(a(?m)b)", R"(\\p{Alnum})", R"(\\h+)",
                              R"((?<n>a)\\k<n>)", R"([[:punct:]])", R"(\\w\\b)", R"(a(?i)b)"}) {
    expect_refused(R"("Regex": "\\s")", str(R"("Regex": ")", pattern, '"'), "syntax that is not supported");
  }
  for (const char* pattern : {R"((a)", R"(a))", R"([a)", R"(a**b{3,1})", R"(\\)", R"(\\x{110000})"}) {
    expect_refused(R"("Regex": "\\s")", str(R"("Regex": ")", pattern, '"'), "pattern");
  }
}

TEST(TokenizerJsonFile, ImpossibleVocabulariesAreRefused) {
  expect_refused(R"("b": 1)", R"("b": 0)", "two tokens have the id 0");
  expect_refused(R"("b": 1)", R"("b": -1)", "out of range");
  expect_refused(R"("b": 1)", R"("b": 4000000000)", "out of range");
  expect_refused(R"("b": 1)", R"("b": 1.0)", "out of range");
  expect_refused(R"("b": 1)", R"("b": 3)", "which another token has");
  expect_refused(R"("a b")", R"("a c")", "names a token that the vocabulary lacks");
  expect_refused(R"("a b")", R"("a b c")", "not a merge");
  expect_refused(R"("a b")", R"(["a"])", "not a merge");
  expect_refused(R"("ids": [3])", R"("ids": [9])", "outside the vocabulary");
  expect_refused(R"("merges")", R"("merge")", "merges");
  expect_refused(R"("b": 1)", R"("a": 1)", "twice");
}

TEST(TokenizerJsonFile, APatternThatNeverEndsIsAnError) {
  const auto tokenizer = load_text(small(R"("Regex": "\\s")", R"("Regex": "(?:a+)+c")"));
  try {
    tokenizer->encode(std::string(60, 'a') + "bc");
    FAIL() << "matched";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    EXPECT_THAT(error.what(), HasSubstr("match limit"));
  }
}

TEST(TokenizerJsonFile, IsNotReplacedByAModelBeside) {
  const fs::path path = folder("both");
  write_file_atomically(path / "tokenizer.json", small(R"("type": "BPE")", R"("type": "Unigram")"));
  write_file_atomically(path / "tokenizer.model", "any");
  try {
    load_tokenizer(path);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("Unigram"));
    EXPECT_THAT(error.what(), HasSubstr("tokenizer.model"));
  }
}

}  // namespace
}  // namespace bt
