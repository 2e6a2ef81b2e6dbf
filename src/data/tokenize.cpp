#include "bt/data/tokenize.h"

#include "bt/core/error.h"
#include "bt/core/files.h"
#include "bt/core/strings.h"
#include "bt/text/json_lines.h"
#include "bt/text/text_template.h"

namespace bt {
namespace {

std::vector<int32_t> read_ids(const Json& value, int64_t vocab_size, const std::string& where) {
  std::vector<int32_t> ids;
  for (const Json& item : value.as_array(where)) {
    const int64_t id = item.as_int(where);
    if (id < 0 || id >= vocab_size) {
      fail_bad_file({.what = "a token id is outside the vocabulary",
                     .where = where,
                     .expected = str("0 to ", vocab_size - 1),
                     .found = str(id)});
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

Json to_json(const std::vector<int32_t>& ids) {
  Json array = Json::array();
  for (const int32_t id : ids) array.push_back(id);
  return array;
}

std::vector<int32_t> ids_of(const Json& record, const Tokenizer& tokenizer, bool add_special,
                            const std::string& where) {
  if (const Json* text = record.find("text")) return tokenizer.encode(text->as_string(where + ": text"), add_special);
  const Json* ids = record.find("ids");
  if (ids == nullptr) {
    fail_bad_file({.what = "nothing to tokenize", .where = where, .expected = R"({"text": "…"} or {"ids": […]})"});
  }
  return read_ids(*ids, tokenizer.vocab_size(), where + ": ids");
}

}  // namespace

std::string tokenize_records(const std::string& path, const Tokenizer& tokenizer, const TokenizeOptions& options) {
  std::string lines;
  for_each_json_line(read_file(path), path, [&](const Json& record, const std::string& where) {
    const std::vector<int32_t> ids = ids_of(record, tokenizer, options.add_special, where);
    Json out = record;
    out.set("ids", to_json(ids));
    out.set("decoded", tokenizer.decode(ids, options.skip_special));
    lines += out.dump() + "\n";
  });
  return lines;
}

std::vector<std::string> training_texts(const std::vector<std::string>& files, const std::string& text_template) {
  const TextTemplate pattern(text_template, "the text template");
  std::vector<std::string> texts;
  for (const std::string& file : files) {
    if (file.ends_with(".jsonl")) {
      for_each_json_line(read_file(file), file, [&](const Json& record, const std::string& where) {
        texts.push_back(pattern.render(record, where));
      });
    } else {
      for (std::string& line : split(read_file(file), '\n')) texts.push_back(std::move(line));
    }
  }
  return texts;
}

}  // namespace bt
