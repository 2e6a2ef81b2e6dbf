#include "bt/text/text_template.h"

#include "support/expect_error.h"

namespace bt {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TextTemplate, FillsFieldsAndKeepsDoubledBraces) {
  const Json record = Json::parse(R"({"a": "x{y}", "n": -7})", "test");
  EXPECT_EQ(TextTemplate("{a}{{{n}}}\n{a}", "t").render(record, "r"), "x{y}{-7}\nx{y}");
  EXPECT_EQ(TextTemplate("", "t").render(record, "r"), "");
}

TEST(TextTemplate, RefusesLooseBracesAndUnknownFields) {
  for (const char* bad : {"{", "}", "a}", "{a", "{}", "{a{b}}", "{{a}"}) {
    expect_error(ExitCode::usage, HasSubstr("data.prompt"), [&] { TextTemplate(bad, "data.prompt"); });
  }
  const Json record = Json::parse(R"({"question": "q", "answer": ["x"]})", "test");
  expect_error(ExitCode::bad_file, AllOf(HasSubstr("f.jsonl:3"), HasSubstr("`qestion`"), HasSubstr("`question`?")),
               [&] { TextTemplate("{qestion}", "data.prompt").render(record, "f.jsonl:3"); });
  expect_error(ExitCode::usage, HasSubstr("`qestion`"),
               [&] { TextTemplate("{qestion}", "t").render(record, "gsm8k, document 3", ExitCode::usage); });
  expect_error(ExitCode::bad_file, HasSubstr("f.jsonl:3: answer"),
               [&] { TextTemplate("{answer}", "t").render(record, "f.jsonl:3"); });
}

TEST(TextTemplate, AnOnlyFieldCanHaveAnotherName) {
  EXPECT_EQ(only_field("Q: {problem}\n"), "problem");
  EXPECT_EQ(with_only_field("Q: {problem}\n", "question"), "Q: {question}\n");
  for (const char* other : {"{a} {b}", "none", "{{a}}", "{a} }}", "{a", "}a{"}) {
    EXPECT_EQ(only_field(other), "") << other;
    EXPECT_EQ(with_only_field(other, "question"), other);
  }
}

}  // namespace
}  // namespace bt
