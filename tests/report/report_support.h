// Folders as bt-train, bt-eval and a study leave them, and a check that markup is well-formed.
#pragma once

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "bt/core/error.h"
#include "bt/core/strings.h"

namespace bt::testing {

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() { std::filesystem::create_directories(root_); }
  ~ReportTest() override { std::filesystem::remove_all(root_); }

  std::string path(const std::string& name) const { return (root_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  // A folder of bt-train.
  std::string training(const std::string& folder, const std::string& metrics, const std::string& name = "toy") const {
    write(folder + "/config.resolved.yaml",
          "# bt 0.1.0 (0123456789ab), on cpu\nrun:\n  name: " + name + "\n  seed: 17\n");
    write(folder + "/metrics.jsonl", metrics);
    return path(folder);
  }
  // A folder of bt-eval run: one task, one filter, right and wrong answers in order.
  std::string evaluation(const std::string& folder, const std::vector<int>& scores,
                         const std::string& hash = "h") const {
    int64_t right = 0;
    std::string samples;
    for (size_t i = 0; i < scores.size(); ++i) {
      right += scores[i];
      samples += str("{\"doc_id\":", i, ",\"filter\":\"final\",\"exact_match\":", scores[i], ",\"doc_hash\":\"", hash,
                     i, "\"}\n");
    }
    write(folder + "/samples_t_2026-01-01.jsonl", samples);
    write(folder + "/results_2026-01-01.json", results("t", right, static_cast<int64_t>(scores.size())));
    return path(folder);
  }
  static std::string results(const std::string& task, int64_t right, int64_t answers) {
    return str("{\"results\":{\"", task, "\":{\"bt\":{\"filters\":{\"final\":{\"right\":", right,
               ",\"answers\":", answers,
               ",\"undecided\":0}},\"calls_per_answer\":2.5,\"share_without_call\":0.25,\"truncated_answers\":3,",
               "\"tokens_per_s\":100.0}}},\"config\":{\"random_seed\":17,\"model_args\":\"model=m\"},",
               "\"git_hash\":\"0123456789ab\",\"bt\":{\"method\":{\"name\":\"bt\",\"options\":\"recall: 4\"}}}");
  }
  std::string study(const std::string& folder, const std::string& json) const {
    write(folder + "/study.json", json);
    return path(folder);
  }

 private:
  const std::filesystem::path root_ = std::filesystem::temp_directory_path() / str("bt_report_", getpid());
};

// The error that `act` must end in.
template <class Act>
std::string problem_of(Act act, ExitCode code = ExitCode::bad_file) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

// Why `xml` is not well-formed, or "": every tag closed in order, no bare < or &, no byte outside of UTF-8. Attribute
// values hold no ">" (the report escapes it). Stricter than XML in nothing that the report writes.
inline std::string malformed(std::string_view xml) {
  if (!is_valid_utf8(xml)) return "not UTF-8";
  std::vector<std::string> open;
  for (size_t at = 0; at < xml.size(); ++at) {
    const auto byte = static_cast<unsigned char>(xml[at]);
    if (byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r') return str("control character at ", at);
    if (xml[at] == '&') {
      const std::string_view rest = xml.substr(at, 6);
      if (!rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") && rest != "&quot;") {
        return str("bare & at ", at);
      }
    }
    if (xml[at] != '<') continue;
    const size_t end = xml.find('>', at);
    if (end == std::string_view::npos) return "a tag without end";
    const std::string_view tag = xml.substr(at + 1, end - at - 1);
    at = end;
    if (tag.find('<') != std::string_view::npos) return str("a tag in a tag: ", tag);
    if (tag.starts_with("!") || tag.ends_with("/")) continue;
    if (!tag.starts_with("/")) {
      open.emplace_back(tag.substr(0, tag.find(' ')));
    } else if (open.empty() || open.back() != tag.substr(1)) {
      return str("</", tag.substr(1), "> closes ", open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

}  // namespace bt::testing
