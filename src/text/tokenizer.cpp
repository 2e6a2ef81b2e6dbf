#include "bt/text/tokenizer.h"

#include <filesystem>

#include "bt/core/error.h"
#include "tokenizer_kinds.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_no_tokenizer(const std::string& path) {
  fail_bad_file({.what = "no tokenizer found",
                 .where = path,
                 .expected = "a folder with tokenizer.model or bytes.tokenizer.json, one of these files, or `bytes`",
                 .next_step = "train one with `bt-data train-tokenizer`"});
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  if (path == "bytes") return make_byte_tokenizer();
  std::error_code ignored;  // an unreadable path is reported as one without a tokenizer
  fs::path file = path;
  if (fs::is_directory(file, ignored)) {
    const bool has_model = fs::exists(file / kSentencePieceFile, ignored);
    file /= has_model ? kSentencePieceFile : kByteTokenizerFile;
  }
  if (!fs::is_regular_file(file, ignored)) fail_no_tokenizer(path);
  return file.extension() == ".json" ? load_byte_tokenizer(file) : load_sentencepiece(file);
}

}  // namespace bt
