#include "byte_alphabet.h"

#include "bt/core/strings.h"

namespace bt::hf {
namespace {

constexpr size_t kCodePoints = 0x144;  // of the alphabet, U+0021 to U+0143

bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<int16_t, kCodePoints> byte;  // by code point, -1: none
};

const Alphabet& alphabet() {
  static const Alphabet kAlphabet = [] {
    Alphabet made;
    made.byte.fill(-1);
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const int code_point = stands_for_itself(byte) ? byte : next++;
      append_utf8(made.spelling[static_cast<size_t>(byte)], static_cast<char32_t>(code_point));
      made.byte[static_cast<size_t>(code_point)] = static_cast<int16_t>(byte);
    }
    return made;
  }();
  return kAlphabet;
}

}  // namespace

std::string_view spelling_of_byte(unsigned char byte) { return alphabet().spelling[byte]; }

void append_spelled(std::string& out, std::string_view bytes) {
  const Alphabet& letters = alphabet();
  for (const char c : bytes) out += letters.spelling[static_cast<unsigned char>(c)];
}

bool append_unspelled(std::string& out, std::string_view spelled) {
  const Alphabet& letters = alphabet();
  const size_t before = out.size();
  for (size_t i = 0; i < spelled.size();) {
    const auto lead = static_cast<unsigned char>(spelled[i]);
    size_t code_point = lead;
    if (lead >= 0xC2 && lead <= 0xC5 && i + 1 < spelled.size()) {
      code_point = (size_t{lead} & 0x1F) << 6 | (static_cast<unsigned char>(spelled[i + 1]) & 0x3F);
    } else if (lead >= 0x80) {
      code_point = kCodePoints;
    }
    if (code_point >= kCodePoints || letters.byte[code_point] < 0) {
      out.resize(before);
      return false;
    }
    out += static_cast<char>(letters.byte[code_point]);
    i += lead < 0x80 ? 1 : 2;
  }
  return true;
}

}  // namespace bt::hf
