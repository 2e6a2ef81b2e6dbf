#include "bt/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <random>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/boundaries.h"

namespace bt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

fs::path folder(const std::string& name) {
  const fs::path path = fs::path(::testing::TempDir()) / ("bt_tokenizer_" + std::to_string(::getpid()) + "_" + name);
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

const std::vector<std::string> kTexts{"Ann has 12 apples.\nBob  has 3 more than Ann, so 15.\n#### 15",
                                      "Bob has 7 pears; he eats 2.\n7 - 2 = 5\n#### 5",
                                      "She had 100 and 20.\n\n#### 120"};

std::unique_ptr<Tokenizer> trained(const std::string& name, const TokenizerTraining& options) {
  const fs::path path = folder(name) / "tokenizer.model";
  train_sentencepiece(kTexts, options, path);
  return load_tokenizer(path.parent_path());
}

const Tokenizer& exact() {
  static const auto kTokenizer = trained("exact", {.vocab_size = 330});
  return *kTokenizer;
}

std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> out;
  for (const int32_t id : tokenizer.encode(text)) out.push_back(tokenizer.token_bytes(id));
  return out;
}

TEST(SentencePiece, ANewlineIsATokenOfItsOwn) {
  const BoundaryTable table(exact(), exact().vocab_size());
  const std::vector<int32_t> ids = exact().encode("a\nb");
  EXPECT_THAT(pieces(exact(), "a\nb"), ElementsAre("a", "\n", "b"));
  EXPECT_THAT(step_starts(ids, 0, table, {}, {}), ElementsAre(2));
  EXPECT_THAT(pieces(exact(), "a\n\nb"), ElementsAre("a", "\n", "\n", "b"));
  int newline_tokens = 0;
  for (int32_t id = 0; id < exact().vocab_size(); ++id) newline_tokens += table.has_newline(id);
  EXPECT_EQ(newline_tokens, 2);  // the piece, and the byte piece <0x0A>
}

TEST(SentencePiece, DigitsAreSplitAndSpacesKept) {
  EXPECT_THAT(pieces(exact(), "120"), ElementsAre("1", "2", "0"));
  EXPECT_EQ(join(pieces(exact(), "Ann  has"), "|").find('\xE2'), std::string::npos);
}

TEST(SentencePiece, SpecialTokensHaveFixedIdsAndNoBytes) {
  EXPECT_EQ(exact().bos_id(), 1);
  EXPECT_EQ(exact().eos_id(), 2);
  EXPECT_EQ(exact().pad_id(), 3);
  for (int32_t id = 0; id < 4; ++id) EXPECT_TRUE(exact().is_special(id) && exact().token_bytes(id).empty());
  EXPECT_FALSE(exact().is_special(4));
  EXPECT_THAT(exact().encode("", true), ElementsAre(1));
  EXPECT_EQ(exact().decode(std::vector<int32_t>{1, 3, 2}), "<s><pad></s>");
  EXPECT_EQ(exact().decode(std::vector<int32_t>{1, 3, 2}, true), "");
  EXPECT_NE(exact().encode("</s>").front(), 2);  // text never becomes a special token
}

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> kParts{
      "a",    "Bob has ",           " ",   "  ",        "\n",           "\r\n",         "\t",
      "12",   "\xF0\x9F\xA6\x8A",   "é",   "e\xCC\x81", "\xE2\x96\x81", "\xE2\x96",     "\xFF",
      "\xC3", std::string(1, '\0'), "<s>", "<unk>",     "<0x0A>",       "\xE2\x96\x85", "\xEF\xBF\xBD",
      "#### "};
  std::string text;
  for (unsigned n = random() % 12; n > 0; --n) text += kParts[random() % kParts.size()];
  return text;
}

TEST(SentencePiece, DecodingGivesBackAnyBytesExactly) {
  for (const char* model_type : {"bpe", "unigram"}) {
    const auto tokenizer = trained(model_type, {.vocab_size = 330, .model_type = model_type});
    std::mt19937 random(5);
    for (int trial = 0; trial < 5000; ++trial) {
      const std::string text = random_text(random);
      const std::vector<int32_t> ids = tokenizer->encode(text);
      ASSERT_EQ(tokenizer->decode(ids), text) << quoted_excerpt(text);
      std::string joined;
      for (const int32_t id : ids) joined += tokenizer->token_bytes(id);
      ASSERT_EQ(joined, text);
    }
  }
}

TEST(SentencePiece, WordsAreOneTokenAndTheLongestMatchWins) {
  const auto tokenizer = trained(
      "words", {.vocab_size = 96, .byte_fallback = false, .words = {"Ann", " has ", " has 3 more", "\"q,\"", " more"}});
  EXPECT_LE(tokenizer->vocab_size(), 96);
  EXPECT_THAT(pieces(*tokenizer, "Ann has Ann has 3 more"), ElementsAre("Ann", " has ", "Ann", " has 3 more"));
  EXPECT_EQ(tokenizer->encode("\"q,\"").size(), 1u);
  const std::string text = kTexts[0] + "\n" + kTexts[1];
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(SentencePiece, WithoutByteFallbackUnseenCharactersAreUnknown) {
  const auto tokenizer = trained("no_bytes", {.vocab_size = 96, .byte_fallback = false});
  EXPECT_THAT(tokenizer->encode("\xC3\xA9"), ElementsAre(0));
  EXPECT_TRUE(tokenizer->is_special(0));
}

TEST(SentencePiece, TrainingTwiceGivesTheSameFileAndSavingCopiesIt) {
  const auto again = trained("again", {.vocab_size = 330});
  EXPECT_EQ(again->fingerprint(), exact().fingerprint());
  EXPECT_NE(trained("other", {.vocab_size = 331})->fingerprint(), exact().fingerprint());
  const fs::path copy = folder("copy");
  again->save(copy);
  EXPECT_EQ(load_tokenizer(copy)->fingerprint(), again->fingerprint());
}

TEST(SentencePiece, TokenizerConfigSaysWhichSpecialTokensAreAdded) {
  const fs::path path = folder("config");
  exact().save(path);
  write_file_atomically(path / "tokenizer_config.json", R"({"add_bos_token": false, "add_eos_token": true})");
  const auto tokenizer = load_tokenizer(path);
  EXPECT_THAT(tokenizer->encode("\n", true), ElementsAre(4, 2));
  const fs::path copy = folder("config_copy");
  tokenizer->save(copy);
  EXPECT_THAT(load_tokenizer(copy)->encode("\n", true), ElementsAre(4, 2));
}

// As Llama 2's and Mistral's models are: encoding puts a space in front, decoding takes it away.
TEST(SentencePiece, AModelWithADummyPrefixDecodesWithoutIt) {
  const fs::path path = folder("dummy_prefix");
  exact().save(path);
  std::string model = read_file(path / "tokenizer.model");
  const size_t name = model.find(std::string("\x0A\x08") + "identity");  // NormalizerSpec.name, field 1
  const size_t flag = model.find(std::string("\x18\x00", 2), name);      // .add_dummy_prefix, field 3: false
  ASSERT_NE(flag, std::string::npos);
  model[flag + 1] = 1;
  write_file_atomically(path / "tokenizer.model", model);
  const auto tokenizer = load_tokenizer(path);
  const std::vector<int32_t> ids = tokenizer->encode("Ann has");
  EXPECT_EQ(tokenizer->token_bytes(ids[0]).substr(0, 1), " ");
  EXPECT_EQ(tokenizer->decode(ids), "Ann has");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("  Ann")), "  Ann");
}

TEST(ByteTokenizer, RoundTripsAndSurvivesSaving) {
  const fs::path path = folder("bytes");
  load_tokenizer("bytes")->save(path);
  const auto tokenizer = load_tokenizer(path);
  std::mt19937 random(6);
  for (int trial = 0; trial < 200; ++trial) {
    const std::string text = random_text(random);
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
  EXPECT_EQ(tokenizer->vocab_size(), 259);
  EXPECT_THAT(tokenizer->encode("\n", true), ElementsAre(256, 10));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{256, 65, 257, 258}), "<s>A</s><pad>");
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{256, 65, 257, 258}, true), "A");
  EXPECT_TRUE(BoundaryTable(*tokenizer, 259).has_newline(10));
  EXPECT_FALSE(BoundaryTable(*tokenizer, 259).is_visible(256));
  EXPECT_EQ(tokenizer->fingerprint(), load_tokenizer("bytes")->fingerprint());
}

void expect_error(ExitCode code, const std::string& part, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

TEST(LoadTokenizer, NamesWhatIsMissingOrBroken) {
  const fs::path path = folder("broken");
  expect_error(ExitCode::bad_file, "no tokenizer found", [&] { load_tokenizer(path); });
  expect_error(ExitCode::bad_file, "no tokenizer found", [&] { load_tokenizer(path / "none.model"); });
  write_file_atomically(path / "bytes.tokenizer.json", R"({"type": "bytes", "vocab_size": 300})");
  expect_error(ExitCode::bad_file, "not a byte tokenizer", [&] { load_tokenizer(path); });
  write_file_atomically(path / "tokenizer.model", "");
  expect_error(ExitCode::bad_file, "not a SentencePiece model", [&] { load_tokenizer(path); });
  write_file_atomically(path / "tokenizer.model", "hello\n");
  expect_error(ExitCode::bad_file, "tokenizer.model", [&] { load_tokenizer(path); });
}

TEST(LoadTokenizer, DamagedModelsAreRefusedOrUsable) {
  const fs::path path = folder("damaged");
  exact().save(path);
  const std::string good = read_file(path / "tokenizer.model");
  std::mt19937 random(8);
  for (int trial = 0; trial < 300; ++trial) {
    std::string bad = good.substr(0, trial % 3 == 0 ? random() % good.size() : good.size());
    for (int flip = 0; flip < 3 && !bad.empty(); ++flip) bad[random() % bad.size()] = static_cast<char>(random());
    write_file_atomically(path / "tokenizer.model", bad);
    try {
      const auto tokenizer = load_tokenizer(path);
      tokenizer->decode(tokenizer->encode("Ann has 12\n"));
    } catch (const Error&) {
    }
  }
}

TEST(Tokenizers, RefuseIdsOutsideTheVocabulary) {
  const auto bytes = load_tokenizer("bytes");
  for (const Tokenizer* tokenizer : std::initializer_list<const Tokenizer*>{bytes.get(), &exact()}) {
    for (const int64_t id : {int64_t{-1}, tokenizer->vocab_size(), int64_t{INT32_MAX}}) {
      const std::vector<int32_t> ids{static_cast<int32_t>(id)};
      expect_error(ExitCode::bad_file, "outside the vocabulary", [&] { tokenizer->decode(ids); });
      expect_error(ExitCode::bad_file, "outside the vocabulary", [&] { tokenizer->token_bytes(ids[0]); });
    }
  }
}

TEST(TrainSentencePiece, RefusesWhatCannotBeTrained) {
  const std::string out = folder("refused") / "m.model";
  const auto refuse = [&](ExitCode code, const std::string& part, const TokenizerTraining& options,
                          const std::vector<std::string>& texts = kTexts) {
    expect_error(code, part, [&] { train_sentencepiece(texts, options, out); });
    EXPECT_FALSE(fs::exists(out));
  };
  refuse(ExitCode::usage, "byte_fallback", {.vocab_size = 128});
  refuse(ExitCode::usage, "vocab_size", {.vocab_size = 12, .byte_fallback = false});
  refuse(ExitCode::usage, "model_type", {.vocab_size = 400, .model_type = "wordpiece"});
  refuse(ExitCode::usage, "newlines", {.vocab_size = 400, .words = {"a\n"}});
  refuse(ExitCode::usage, "UTF-8", {.vocab_size = 400, .words = {"\xFF"}});
  refuse(ExitCode::bad_file, "no text", {.vocab_size = 400}, {"", ""});
}

}  // namespace
}  // namespace bt
