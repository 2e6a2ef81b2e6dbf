#include "bt/text/tokenizer.h"

#include <filesystem>

#include "bt/core/error.h"
#include "tokenizer_files.h"
#include "tokenizer_kinds.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_no_tokenizer(const std::string& path) {
  fail_bad_file(
      {.what = "no tokenizer found",
       .where = path,
       .expected =
           "a folder with tokenizer.json, tokenizer.model or bytes.tokenizer.json, one of these files, or `bytes`",
       .next_step = "train one with `bt-data train-tokenizer`"});
}

// The first of these that the folder holds. tokenizer.json is what Hugging Face's fast tokenizers run, so it comes
// first.
fs::path file_in(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name : {kTokenizerJsonFile, kSentencePieceFile}) {
    if (fs::exists(folder / name, ignored)) return folder / name;
  }
  return folder / kByteTokenizerFile;
}

// A tokenizer.json that is refused is an error even where a tokenizer.model lies beside it: the two may differ.
std::unique_ptr<Tokenizer> load_json(const fs::path& file) {
  try {
    return load_hf_tokenizer(file);
  } catch (const Error& error) {
    const fs::path model = fs::path(file).replace_filename(kSentencePieceFile);
    std::error_code ignored;
    if (!fs::exists(model, ignored) || !error.problem().next_step.empty()) throw;
    Problem problem = error.problem();
    problem.next_step = "to use the SentencePiece model instead, which may differ, name it: " + model.string();
    throw Error(error.code(), problem);
  }
}

}  // namespace

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  const std::unique_ptr<Decoding> decoding = start_decoding(skip_special);
  for (const int32_t id : ids) decoding->push(id, text);
  decoding->finish(text);
  return text;
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  if (path == "bytes") return make_byte_tokenizer();
  std::error_code ignored;  // an unreadable path is reported as one without a tokenizer
  const fs::path file = fs::is_directory(path, ignored) ? file_in(path) : fs::path(path);
  if (!fs::is_regular_file(file, ignored)) fail_no_tokenizer(path);
  if (file.extension() != ".json") return load_sentencepiece(file);
  return file.filename() == kByteTokenizerFile ? load_byte_tokenizer(file) : load_json(file);
}

}  // namespace bt
