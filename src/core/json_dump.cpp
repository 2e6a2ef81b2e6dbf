// Json::dump.
#include <cmath>
#include <cstddef>

#include "bt/core/json.h"
#include "bt/core/numerals.h"
#include "bt/core/strings.h"

namespace bt {
namespace {

void write_escaped(std::string& out, char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20) {
        out += {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      } else {
        out += c;
      }
  }
}

void write_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t length = utf8_sequence_length(text);
    if (length == 0) {
      append_utf8(out, 0xFFFD);
    } else if (length == 1) {
      write_escaped(out, text.front());
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

// JSON has no NaN and no infinity; a float keeps a mark of being one, so that it is read back as a float.
void write_double(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    const std::string text = number_text(value);
    out += text;
    if (text.find_first_of(".e") == std::string::npos) out += ".0";
  }
}

class Writer {
 public:
  Writer(std::string& out, int indent) : out_(out), indent_(indent) {}

  void write(const Json& value) {
    if (value.is_object()) {
      write_object(value.as_object(""));
    } else if (value.is_array()) {
      write_array(value.as_array(""));
    } else if (value.is_string()) {
      write_string(out_, value.as_string(""));
    } else {
      write_plain(value);
    }
  }

 private:
  void write_plain(const Json& value) {
    if (value.is_null()) {
      out_ += "null";
    } else if (value.is_bool()) {
      out_ += value.as_bool("") ? "true" : "false";
    } else if (!value.is_integer()) {
      write_double(out_, value.as_double(""));
    } else if (value.fits_int()) {
      out_ += std::to_string(value.as_int(""));
    } else {
      out_ += std::to_string(value.as_uint(""));
    }
  }

  void write_object(const Json::Object& members) {
    begin('{');
    for (const auto& [key, value] : members) {
      next(&key != &members.front().first);
      write_string(out_, key);
      out_ += indent_ < 0 ? ":" : ": ";
      write(value);
    }
    end('}', members.empty());
  }

  void write_array(const Json::Array& items) {
    begin('[');
    for (const Json& item : items) {
      next(&item != &items.front());
      write(item);
    }
    end(']', items.empty());
  }

  void begin(char bracket) {
    out_ += bracket;
    ++depth_;
  }

  void next(bool after_another) {
    if (after_another) out_ += ',';
    break_line();
  }

  void end(char bracket, bool empty) {
    --depth_;
    if (!empty) break_line();
    out_ += bracket;
  }

  void break_line() {
    if (indent_ < 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(indent_) * depth_, ' ');
  }

  std::string& out_;
  int indent_;
  size_t depth_ = 0;
};

}  // namespace

std::string Json::dump(int indent) const {
  std::string out;
  Writer(out, indent).write(*this);
  return out;
}

}  // namespace bt
