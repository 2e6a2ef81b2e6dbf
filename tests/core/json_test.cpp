#include "bt/core/json.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "bt/core/error.h"
#include "bt/core/files.h"

namespace bt {
namespace {

Problem problem_of(std::string_view text) {
  try {
    Json::parse(text, "f.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_file);
    return error.problem();
  }
  ADD_FAILURE() << "accepted: " << text.substr(0, 80);
  return {};
}

TEST(JsonParse, KeepsOrderAndKinds) {
  const Json json = Json::parse(R"({"b": [1, 1.0, -0, 1e2, true, null, "x\u00e9"], "a": {}})", "f.json");
  EXPECT_EQ(json.as_object("")[0].first, "b");
  EXPECT_EQ(json.as_object("")[1].first, "a");
  const Json::Array& items = json.at("b", "").as_array("");
  EXPECT_TRUE(items[0].is_integer());
  EXPECT_FALSE(items[1].is_integer());
  EXPECT_EQ(items[2].as_int(""), 0);
  EXPECT_FALSE(items[3].is_integer());
  EXPECT_EQ(items[3].as_double(""), 100);
  EXPECT_TRUE(items[4].as_bool(""));
  EXPECT_TRUE(items[5].is_null());
  EXPECT_EQ(items[6].as_string(""), "xé");
}

TEST(JsonParse, IntegersAreExactToTheLastBit) {
  EXPECT_EQ(Json::parse("9223372036854775807", "").as_int(""), INT64_MAX);
  EXPECT_EQ(Json::parse("-9223372036854775808", "").as_int(""), INT64_MIN);
  EXPECT_EQ(Json::parse("18446744073709551615", "").as_uint(""), UINT64_MAX);
  EXPECT_THROW(Json::parse("18446744073709551615", "").as_int(""), Error);
  EXPECT_THROW(Json::parse("-1", "").as_uint(""), Error);
  EXPECT_THROW(Json::parse("1.8e19", "").as_int(""), Error);
  EXPECT_THROW(Json::parse("1.0", "").as_int(""), Error);
  const Json huge = Json::parse("1000000000000000019884624838656", "");  // model_max_length of many tokenizers
  EXPECT_THROW(huge.as_int(""), Error);
  EXPECT_EQ(huge.as_double(""), 1e30);
}

TEST(JsonParse, PlaceOfAnErrorIsGiven) {
  EXPECT_EQ(problem_of("{\"a\": 1,\n \"b\": }").where, "f.json:2:7");
  EXPECT_EQ(problem_of("{\"a\": 1,\n \"a\": 2}").where, "f.json:2:4");  // the key's closing quote
  EXPECT_EQ(problem_of("").where, "f.json:1:1");
}

TEST(JsonParse, RefusesWhatIsNotStrictJson) {
  for (const char* text : {"NaN",    "Infinity", "-Infinity",   "[1,]",    "{\"a\":1,}", "01",     "+1",    ".5",
                           "1.",     "0x1",      "'a'",         "{a:1}",   "[1 2]",      "1 2",    "{} x",  "// 1",
                           "\"\t\"", "nul",      "\"\\ud800\"", "\"\\x\"", "[",          "{\"a\"", "1e999", "\"abc"}) {
    EXPECT_NE(problem_of(text).what.find("invalid JSON"), std::string::npos) << text;
  }
  for (const std::string& text : {std::string("\"\xff\""), std::string("\"\xc0\x80\""), std::string("\"\xed\xa0\x80\""),
                                  std::string("1\0", 2), std::string("\"\xe2\x82")}) {
    problem_of(text);
  }
}

TEST(JsonParse, RefusesDuplicateKeys) {
  EXPECT_NE(problem_of(R"({"x": {"k": 1, "j": 2, "k": 1}})").what.find("\"k\""), std::string::npos);
  EXPECT_NO_THROW(Json::parse(R"([{"k": 1}, {"k": {"k": 2}}])", ""));
}

TEST(JsonParse, DepthIsLimited) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(Json::parse(nested(64), ""));
  EXPECT_NE(problem_of(nested(65)).what.find("64"), std::string::npos);
  problem_of(std::string(1000000, '['));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  problem_of(objects);
}

TEST(JsonParse, ManyKeysAreNotQuadratic) {
  std::string text = "{";
  for (int i = 0; i < 300000; ++i) text += '"' + std::to_string(i) + "\":" + std::to_string(i) + ",";
  text += "\"last\":0}";
  EXPECT_EQ(Json::parse(text, "").as_object("").size(), 300001u);
}

TEST(JsonParse, FileErrorsNameTheFile) {
  EXPECT_THROW(Json::parse_file("no/such/file.json"), Error);
  const std::string path = testing::TempDir() + "bt_json_test_" + std::to_string(::getpid()) + ".json";
  write_file_atomically(path, "{\"a\": tru}");
  try {
    Json::parse_file(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.problem().where.find(path + ":1:"), 0u);
  }
  EXPECT_THROW(Json::parse_file(path, 3), Error);
}

TEST(JsonGetters, WrongTypesNameThePlaceAndTheValue) {
  try {
    Json("abc").as_int("config.json: hidden_size");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "config.json: hidden_size: wrong type of value\n  expected: an integer of 64 bits\n"
                 "  found: the string \"abc\"");
  }
  EXPECT_THROW(Json(1).as_bool(""), Error);
  EXPECT_THROW(Json(true).as_double(""), Error);
  EXPECT_THROW(Json(nullptr).as_string(""), Error);
  EXPECT_THROW(Json::object().as_array(""), Error);
  EXPECT_THROW(Json::array().as_object(""), Error);
  EXPECT_THROW(Json::object().at("missing", ""), Error);
  EXPECT_THROW(Json(1).at("missing", ""), Error);
  EXPECT_EQ(Json(1).find("x"), nullptr);
}

TEST(JsonBuild, SetReplacesOrAppends) {
  Json json;
  json.set("b", 1);
  json.set("a", 2);
  json.set("b", "new");
  json.set("list", Json());
  Json list;
  list.push_back(1);
  list.push_back(2.5);
  json.set("list", list);
  EXPECT_EQ(json.dump(), R"({"b":"new","a":2,"list":[1,2.5]})");
  EXPECT_TRUE(json.contains("a"));
  EXPECT_FALSE(json.contains("c"));
}

TEST(JsonBuild, EqualityComparesValuesAndKinds) {
  EXPECT_EQ(Json(uint64_t{5}), Json(5));
  EXPECT_EQ(Json::parse("5", ""), Json(uint64_t{5}));
  EXPECT_FALSE(Json(1) == Json(1.0));
  EXPECT_FALSE(Json(nullptr) == Json(false));
}

TEST(JsonDump, IndentsLikeOtherWriters) {
  const Json json = Json::parse(R"({"a":[1,{}],"b":{"c":[]}})", "");
  EXPECT_EQ(json.dump(2), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}");
}

TEST(JsonDump, FloatsStayFloatsAndRoundTrip) {
  EXPECT_EQ(Json(1.0).dump(), "1.0");
  EXPECT_EQ(Json(-0.0).dump(), "-0.0");
  EXPECT_EQ(Json(std::nan("")).dump(), "\"NaN\"");
  EXPECT_EQ(Json(-std::numeric_limits<double>::infinity()).dump(), "\"-Infinity\"");
  for (const double value : {0.1, 1e22, 1e-310, 1.7976931348623157e308, 3.0000000000000004, -2.5e-9}) {
    EXPECT_EQ(Json::parse(Json(value).dump(), ""), Json(value));
  }
  EXPECT_EQ(Json(UINT64_MAX).dump(), "18446744073709551615");
  EXPECT_EQ(Json(INT64_MIN).dump(), "-9223372036854775808");
}

TEST(JsonDump, StringsAreEscapedAndAlwaysValid) {
  EXPECT_EQ(Json("a\"\\\n\t\x01é").dump(), "\"a\\\"\\\\\\n\\t\\u0001é\"");
  EXPECT_EQ(Json(std::string("x\xff\xc3")).dump(), "\"x\xEF\xBF\xBD\xEF\xBF\xBD\"");
  const std::string with_nul("\0a", 2);
  EXPECT_EQ(Json::parse(Json(with_nul).dump(), "").as_string(""), with_nul);
}

TEST(Json, FindsAMemberThatComesTwiceAmongMany) {
  for (const int twice : {-1, 0, 15, 16, 17, 300, 998}) {
    std::string text = "{";
    for (int i = 0; i < 1000; ++i) {
      const int name = i == 999 && twice >= 0 ? twice : i;
      text += (i == 0 ? "" : ",") + ("\"name " + std::to_string(name)) + "\":1";
    }
    if (twice < 0) {
      EXPECT_EQ(Json::parse(text + "}", "many").as_object("").size(), 1000u);
    } else {
      EXPECT_THROW(Json::parse(text + "}", "many"), Error) << twice;
    }
  }
}

}  // namespace
}  // namespace bt
