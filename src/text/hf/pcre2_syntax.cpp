// Oniguruma's syntax (Ruby's dialect, which the Hugging Face library uses) written in PCRE2's.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "bt/core/error.h"
#include "bt/core/strings.h"
#include "late_characters.h"
#include "search_pattern.h"

namespace bt::hf {
namespace {

// \s is the property White_Space; PCRE2's own \s takes U+180E as well.
constexpr char kWhiteSpace[] =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr char kNotWhiteSpace[] =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
// \w; the six characters of Latin-1 are Oniguruma's own addition.
std::string word_characters() {
  return R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})" + late_characters("L") +
         late_characters("M") + late_characters("Nd");
}

constexpr std::array<std::string_view, 37> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cs", "Cn"};
constexpr std::array<std::string_view, 12> kScripts = {"Han",        "Hiragana", "Katakana", "Hangul",
                                                       "Latin",      "Greek",    "Cyrillic", "Arabic",
                                                       "Devanagari", "Hebrew",   "Thai",     "Bopomofo"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string run() {
    while (at_ < pattern_.size()) translate_next();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail_bad_file({.what = "this pattern uses syntax that is not supported: " + what,
                   .where = where_,
                   .found = str(quoted_excerpt(pattern_, 200), " at byte ", at_)});
  }

  bool next_is(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }

  char take() {
    if (at_ == pattern_.size()) refuse("an unfinished escape or class");
    return pattern_[at_++];
  }

  void translate_next() {
    const char c = pattern_[at_];
    if (c == '(') return open_group();
    if (c == ')') return close_group();
    if (c == '|') {
      out_ += pattern_[at_++];
    } else if (c == '*' || c == '+' || c == '?') {
      out_ += pattern_[at_++];
    } else if (const auto interval = take_interval()) {
      repeat(*interval);
    } else {
      atom_ = out_.size();
      if (c == '[') {
        translate_class();
      } else if (c == '\\') {
        ++at_;
        translate_escape(false);
      } else if (c == '{' || c == '}') {
        out_ += '\\';
        out_ += take();
      } else {
        out_ += take();
      }
    }
  }

  void open_group() {
    constexpr std::array<std::string_view, 7> kOpenings = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    groups_.push_back(out_.size());
    if (next_is("(?i)") && at_ == 0) {  // elsewhere the two differ in how far it reaches
      groups_.pop_back();
      return append(4);
    }
    if (!next_is("(?")) return append(1);
    const auto found =
        std::find_if(kOpenings.begin(), kOpenings.end(), [this](std::string_view opening) { return next_is(opening); });
    if (found == kOpenings.end()) refuse("this kind of group");
    append(found->size());
  }

  void close_group() {
    if (groups_.empty()) refuse("an unmatched parenthesis");
    atom_ = groups_.back();
    groups_.pop_back();
    append(1);
  }

  void append(size_t length) {
    out_ += pattern_.substr(at_, length);
    at_ += length;
  }

  // {n}, {n,}, {,m} or {n,m}; nothing else in braces is a repetition.
  std::optional<std::string> take_interval() {
    if (pattern_[at_] != '{') return std::nullopt;
    const size_t end = pattern_.find('}', at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = pattern_.substr(at_ + 1, end - at_ - 1);
    const bool shaped = inside.find_first_not_of("0123456789,") == std::string_view::npos && inside != "," &&
                        !inside.empty() && std::count(inside.begin(), inside.end(), ',') <= 1;
    if (!shaped) return std::nullopt;
    at_ = end + 1;
    return str('{', inside.front() == ',' ? "0" : "", inside, '}');
  }

  // After an interval, "+" is a second repetition here and "possessive" in PCRE2.
  void repeat(const std::string& interval) {
    out_ += interval;
    if (next_is("?") && interval.find(',') == std::string::npos) refuse("{n}?");
    if (!next_is("+")) return;
    out_.insert(atom_, "(?:");
    out_ += ")";
  }

  void translate_class() {
    append(1);
    if (next_is("^")) append(1);
    if (next_is("]")) refuse("an empty class");
    while (!next_is("]")) {
      const char c = take();
      if (c == '[') refuse("a class within a class");
      if (c == '&' && next_is("&")) refuse("an intersection of classes");
      if (c == '\\') {
        translate_escape(true);
      } else {
        out_ += c;
      }
    }
    append(1);
  }

  void add_set(bool in_class, std::string_view members, bool negated = false) {
    if (in_class && negated) refuse("a negated set in a class");
    out_ += in_class ? std::string(members) : str(negated ? "[^" : "[", members, "]");
  }

  // The backslash has been read.
  void translate_escape(bool in_class) {
    const char c = take();
    switch (c) {
      case 's':
        return add_set(in_class, kWhiteSpace);
      case 'S':
        return add_set(in_class, kNotWhiteSpace);
      case 'w':
        return add_set(in_class, word_characters());
      case 'W':
        return add_set(in_class, word_characters(), true);
      case 'd':
        return add_set(in_class, R"(\p{Nd})" + late_characters("Nd"));
      case 'D':
        return add_set(in_class, R"(\p{Nd})" + late_characters("Nd"), true);
      case 'v':
        out_ += R"(\x{b})";
        return;
      case 'p':
      case 'P':
        return translate_property(c, in_class);
      case 'x':
        return translate_code_point(next_is("{") ? 0 : 2);
      case 'u':
        return translate_code_point(4);
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        out_ += {'\\', c};
        return;
      case 'A':
      case 'z':
      case 'Z':
        if (!in_class) {
          out_ += {'\\', c};
          return;
        }
        break;
      default:
        break;
    }
    const bool is_plain = static_cast<unsigned char>(c) < 0x80 && !std::isalnum(static_cast<unsigned char>(c));
    if (!is_plain) refuse(str("the escape \\", c));
    out_ += {'\\', c};
  }

  void translate_property(char letter, bool in_class) {
    const size_t end = pattern_.find('}', at_);
    if (!next_is("{") || end == std::string_view::npos) refuse("a property without braces");
    std::string_view name = pattern_.substr(at_ + 1, end - at_ - 1);
    const std::string_view negation = name.starts_with('^') ? "^" : "";
    name.remove_prefix(negation.size());
    const bool is_script = contains(kScripts, name);
    if (!is_script && !contains(kCategories, name)) refuse(str("the property ", quoted_excerpt(name)));
    at_ = end + 1;
    if (is_script) {
      out_ += str('\\', letter, '{', negation, "sc:", name, '}');
    } else {
      add_set(in_class, str("\\p{", name, '}') + late_characters(name), (letter == 'P') != !negation.empty());
    }
  }

  // digits == 0: in braces.
  void translate_code_point(size_t digits) {
    const size_t begin = digits == 0 ? at_ + 1 : at_;
    const size_t end = digits == 0 ? pattern_.find('}', at_) : at_ + digits;
    if (end == std::string_view::npos || end > pattern_.size()) refuse("an unfinished escape");
    uint32_t code_point = 0;
    const char* last = pattern_.data() + end;
    const auto read = std::from_chars(pattern_.data() + begin, last, code_point, 16);
    const bool is_scalar = code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF);
    if (read.ec != std::errc() || read.ptr != last || !is_scalar) refuse("this code point");
    if (digits == 2 && code_point >= 0x80) refuse("a byte outside ASCII");
    out_ += escaped(code_point);
    at_ = end + (digits == 0 ? 1 : 0);
  }

  std::string_view pattern_;
  const std::string& where_;
  std::string out_;
  size_t at_ = 0;
  size_t atom_ = 0;             // where the last atom begins in out_
  std::vector<size_t> groups_;  // where the open groups begin in out_
};

}  // namespace

std::string pcre2_syntax(std::string_view oniguruma, const std::string& where) {
  return Translator(oniguruma, where).run();
}

}  // namespace bt::hf
