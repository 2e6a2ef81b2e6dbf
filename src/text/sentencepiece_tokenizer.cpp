#include <sentencepiece_processor.h>

#include <algorithm>
#include <charconv>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "tokenizer_files.h"
#include "tokenizer_kinds.h"

namespace bt {
namespace {

constexpr uint64_t kMaxModelBytes = uint64_t{64} << 20;
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
  explicit SentencePieceTokenizer(const std::string& file) : files_(file, kMaxModelBytes) {
    const auto status = processor_.LoadFromSerializedProto(files_.bytes());
    if (!status.ok() || processor_.GetPieceSize() <= 0) {
      fail_bad_file({.what = "not a SentencePiece model", .where = file, .found = status.ToString()});
    }
    read_pieces(file);
    add_bos_ = processor_.bos_id() >= 0 && files_.config_flag("add_bos_token", true);
    add_eos_ = processor_.eos_id() >= 0 && files_.config_flag("add_eos_token", false);
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

  std::unique_ptr<Decoding> start_decoding(bool skip_special) const override {
    return std::make_unique<DecodingPieces>(*this, skip_special);
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
  std::string fingerprint() const override { return files_.fingerprint(); }
  void save(const std::string& folder) const override { files_.save(folder); }

 private:
  class DecodingPieces final : public Decoding {
   public:
    DecodingPieces(const SentencePieceTokenizer& tokenizer, bool skip_special)
        : tokenizer_(tokenizer), skip_special_(skip_special), strips_space_(tokenizer.dummy_prefix_) {}

    void push(int32_t id, std::string& out) override {
      const std::string text = tokenizer_.text_of(id, skip_special_);
      if (text.empty()) return;
      out += std::string_view(text).substr(strips_space_ && text.front() == ' ' ? 1 : 0);
      strips_space_ = false;
    }
    void finish(std::string&) override {}

   private:
    const SentencePieceTokenizer& tokenizer_;
    bool skip_special_, strips_space_;  // the space that encoding put in front is still to come
  };

  std::string text_of(int32_t id, bool skip_special) const {
    check(id);
    if (id == processor_.unk_id()) return kUnknownText;
    if (!is_special(id)) return bytes_[static_cast<size_t>(id)];
    return skip_special ? std::string() : processor_.IdToPiece(id);
  }

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

  TokenizerFiles files_;
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
