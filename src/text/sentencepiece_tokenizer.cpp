#include <sentencepiece_processor.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/json.h"
#include "bt/core/strings.h"
#include "tokenizer_kinds.h"

namespace bt {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxModelBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;
constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581, how SentencePiece spells a space
constexpr char kUnknownText[] = " \xE2\x81\x87 ";          // what SentencePiece decodes unk to

// The byte of a piece spelled <0xNN>.
unsigned char byte_of_piece(std::string_view piece, const std::string& file) {
  unsigned value = 0;
  const bool shaped = piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
  const char* end = piece.data() + piece.size() - 1;
  if (!shaped || std::from_chars(piece.data() + 3, end, value, 16).ptr != end) {
    fail_bad_file(
        {.what = "malformed byte piece", .where = file, .expected = "<0xNN>", .found = quoted_excerpt(piece)});
  }
  return static_cast<unsigned char>(value);
}

std::string with_spaces(std::string_view piece) {
  std::string text;
  while (!piece.empty()) {
    const size_t at = piece.find(kSpaceSymbol);
    text += piece.substr(0, at);
    if (at == std::string_view::npos) break;
    text += ' ';
    piece.remove_prefix(at + kSpaceSymbol.size());
  }
  return text;
}

// Length of the longest prefix that SentencePiece keeps as it is: valid UTF-8 without the space symbol.
size_t plain_prefix(std::string_view text) { return valid_utf8_prefix(text.substr(0, text.find(kSpaceSymbol))); }

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(const std::string& file) : model_(read_file(file, kMaxModelBytes)) {
    const auto status = processor_.LoadFromSerializedProto(model_);
    if (!status.ok() || processor_.GetPieceSize() <= 0) {
      fail_bad_file({.what = "not a SentencePiece model", .where = file, .found = status.ToString()});
    }
    read_pieces(file);
    read_config(fs::path(file).replace_filename(kTokenizerConfigFile));
  }

  int64_t vocab_size() const override { return static_cast<int64_t>(bytes_.size()); }

  std::vector<int32_t> encode(std::string_view text, bool add_special) const override {
    std::vector<int32_t> ids;
    if (add_special && add_bos_) ids.push_back(processor_.bos_id());
    if (exact_) {
      append_exact(text, ids);
    } else {
      append(text, ids);
    }
    if (add_special && add_eos_) ids.push_back(processor_.eos_id());
    return ids;
  }

  std::string decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::string text;
    for (const int32_t id : ids) {
      check(id);
      if (id == processor_.unk_id()) {
        text += kUnknownText;
      } else if (!is_special(id)) {
        text += bytes_[static_cast<size_t>(id)];
      } else if (!skip_special) {
        text += processor_.IdToPiece(id);
      }
    }
    if (dummy_prefix_ && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

  std::string token_bytes(int32_t id) const override {
    check(id);
    return bytes_[static_cast<size_t>(id)];
  }

  bool is_special(int32_t id) const override {
    check(id);
    return processor_.IsControl(id) || processor_.IsUnknown(id);
  }

  std::optional<int32_t> bos_id() const override { return optional_id(processor_.bos_id()); }
  std::optional<int32_t> eos_id() const override { return optional_id(processor_.eos_id()); }
  std::optional<int32_t> pad_id() const override { return optional_id(processor_.pad_id()); }
  std::string fingerprint() const override { return sha256_hex(model_); }

  void save(const std::string& folder) const override {
    write_file_atomically(fs::path(folder) / kSentencePieceFile, model_);
    if (!config_.empty()) write_file_atomically(fs::path(folder) / kTokenizerConfigFile, config_);
  }

 private:
  static std::optional<int32_t> optional_id(int id) { return id < 0 ? std::nullopt : std::optional<int32_t>(id); }

  void check(int32_t id) const {
    if (id >= 0 && id < vocab_size()) return;
    fail_bad_file(
        {.what = "token id is outside the vocabulary", .expected = str("0 to ", vocab_size() - 1), .found = str(id)});
  }

  void read_pieces(const std::string& file) {
    std::vector<int32_t> byte_ids(256, -1);
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      const std::string& piece = processor_.IdToPiece(id);
      if (processor_.IsControl(id) || processor_.IsUnknown(id)) {
        bytes_.emplace_back();
      } else if (processor_.IsByte(id)) {
        const unsigned char byte = byte_of_piece(piece, file);
        byte_ids[byte] = id;
        bytes_.emplace_back(1, static_cast<char>(byte));
      } else {
        bytes_.push_back(with_spaces(piece));
      }
    }
    byte_ids_ = std::move(byte_ids);
    const bool all_bytes = std::find(byte_ids_.begin(), byte_ids_.end(), -1) == byte_ids_.end();
    dummy_prefix_ = processor_.Normalize("x").starts_with(kSpaceSymbol);
    // A probe of what normalisers change: runs of white space, width forms, composition.
    const std::string probe =
        "  a\t\n b  \r\n\xEF\xBC\xA1"
        "e\xCC\x81 ";
    exact_ = all_bytes && with_spaces(processor_.Normalize(probe)) == probe;
  }

  void read_config(const std::string& file) {
    std::error_code ignored;
    add_bos_ = processor_.bos_id() >= 0;
    if (!fs::is_regular_file(file, ignored)) return;
    config_ = read_file(file, kMaxConfigBytes);
    const Json config = Json::parse(config_, file);
    const auto flag = [&](const char* key, bool otherwise) {
      const Json* value = config.find(key);
      return value == nullptr || value->is_null() ? otherwise : value->as_bool(str(file, ": ", key));
    };
    add_bos_ = add_bos_ && flag("add_bos_token", true);
    add_eos_ = processor_.eos_id() >= 0 && flag("add_eos_token", false);
  }

  void append(std::string_view text, std::vector<int32_t>& ids) const {
    std::vector<int> part;
    const auto status = processor_.Encode(absl::string_view(text.data(), text.size()), &part);
    if (!status.ok()) fail_bad_file({.what = "the tokenizer cannot encode a text", .found = status.ToString()});
    ids.insert(ids.end(), part.begin(), part.end());
  }

  // SentencePiece reads U+2581 as a space and replaces invalid UTF-8: those bytes become byte pieces instead.
  void append_exact(std::string_view text, std::vector<int32_t>& ids) const {
    while (!text.empty()) {
      const size_t plain = plain_prefix(text);
      if (plain > 0) append(text.substr(0, plain), ids);
      text.remove_prefix(plain);
      const size_t odd = std::min(text.size(), text.starts_with(kSpaceSymbol) ? kSpaceSymbol.size() : 1);
      for (const char c : text.substr(0, odd)) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
      text.remove_prefix(odd);
    }
  }

  std::string model_, config_;  // the files' bytes
  sentencepiece::SentencePieceProcessor processor_;
  std::vector<std::string> bytes_;  // by id
  std::vector<int32_t> byte_ids_;   // by byte; -1: the model has no such piece
  bool dummy_prefix_ = false;       // encoding puts a space in front of the text
  bool exact_ = false;
  bool add_bos_ = false, add_eos_ = false;
};

}  // namespace

std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& file) {
  return std::make_unique<SentencePieceTokenizer>(file);
}

}  // namespace bt
