// YAML from JSON: what a reader could take for something else is quoted.
#include "cli/yaml.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

std::string Yaml(absl::string_view json) {
  const auto yaml = YamlFromJson(json);
  EXPECT_TRUE(yaml.ok()) << yaml.status() << " " << json;
  return yaml.ok() ? *yaml : "";
}

TEST(YamlTest, WordsStayPlain) {
  for (const char* word : {"default", "default/0", "a", "server-1", "a_b.c", "/var/lib/center",
                           "RUNNING", "trueish", "nothing", "e5", "x1e3"}) {
    EXPECT_EQ(Yaml(absl::StrCat("{\"k\": \"", word, "\"}")), absl::StrCat("k: ", word, "\n"));
  }
}

TEST(YamlTest, WhatLooksLikeABooleanOrNullIsQuotedInAnyCase) {
  for (const char* word : {"true", "True", "TRUE", "false", "yes", "Yes", "NO", "no", "on", "Off",
                           "y", "N", "null", "Null", "NULL", "~"}) {
    EXPECT_EQ(Yaml(absl::StrCat("{\"k\": \"", word, "\"}")), absl::StrCat("k: \"", word, "\"\n"));
  }
}

TEST(YamlTest, WhatLooksLikeANumberOrADateIsQuoted) {
  for (const char* word : {"0", "42", "-1", "+1", "1.5", ".5", "1e3", "0x1F", "0o17", "010",
                           "1_000", ".inf", "-.inf", ".nan", "2025-06-01", "12:30:45", "190:20"}) {
    EXPECT_EQ(Yaml(absl::StrCat("{\"k\": \"", word, "\"}")), absl::StrCat("k: \"", word, "\"\n"));
  }
}

TEST(YamlTest, WhatIsSyntaxIsQuoted) {
  for (const char* word : {"",
                           " ",
                           " a",
                           "a ",
                           "a b",
                           "-",
                           "- a",
                           "?",
                           "a: b",
                           "a:",
                           ":a",
                           "a #b",
                           "#a",
                           "[a]",
                           "{a}",
                           "a,b",
                           "&a",
                           "*a",
                           "!a",
                           "|",
                           ">",
                           "%a",
                           "@a",
                           "`a",
                           "'a'",
                           "=",
                           "<<",
                           "---",
                           "...",
                           "a=b",
                           "127.0.0.1:5000"}) {
    EXPECT_EQ(Yaml(absl::StrCat("{\"k\": \"", word, "\"}")), absl::StrCat("k: \"", word, "\"\n"));
  }
}

TEST(YamlTest, QuotesBackslashesAndControlCharactersAreEscaped) {
  EXPECT_EQ(Yaml(R"({"k": "say \"hi\" \\ bye"})"), "k: \"say \\\"hi\\\" \\\\ bye\"\n");
  EXPECT_EQ(Yaml(R"({"k": "a\nb\tc\rd"})"), "k: \"a\\nb\\tc\\rd\"\n");
  EXPECT_EQ(Yaml(R"({"k": "\u001b[2J\u0007\u0000\u007f"})"), "k: \"\\x1b[2J\\x07\\x00\\x7f\"\n");
}

TEST(YamlTest, LineBreaksAndControlsBeyondAsciiAreEscapedToo) {
  // NEL, CSI as one character, LINE SEPARATOR, RIGHT-TO-LEFT OVERRIDE, byte order mark.
  EXPECT_EQ(Yaml(R"({"k": "\u0085\u009b\u2028\u202e\ufeff"})"),
            "k: \"\\u0085\\u009b\\u2028\\u202e\\ufeff\"\n");
}

TEST(YamlTest, OtherTextKeepsItsLetters) {
  EXPECT_EQ(Yaml(R"({"k": "Grüße 世界 🙂"})"), "k: \"Grüße 世界 🙂\"\n");
}

TEST(YamlTest, NumbersBooleansAndNullOfJsonStayBare) {
  EXPECT_EQ(Yaml(R"({"a": 1, "b": -2.5, "c": true, "d": false, "e": null})"),
            "a: 1\nb: -2.5\nc: true\nd: false\ne: null\n");
}

TEST(YamlTest, KeysFollowTheSameRules) {
  EXPECT_EQ(Yaml(R"({"yes": 1, "a b": 2, "": 3, "default/0": 4, "12": 5})"),
            "\"yes\": 1\n\"a b\": 2\n\"\": 3\ndefault/0: 4\n\"12\": 5\n");
}

TEST(YamlTest, NestedObjectsAndListsAreIndented) {
  EXPECT_EQ(Yaml(R"({"server": {"name": "a", "spec": {"port": 1}}, "last": "z"})"),
            "server:\n"
            "  name: a\n"
            "  spec:\n"
            "    port: 1\n"
            "last: z\n");
  EXPECT_EQ(Yaml(R"({"workers": [{"name": "a", "tags": ["x", "z"]}, {"name": "b"}], "total": 2})"),
            "workers:\n"
            "- name: a\n"
            "  tags:\n"
            "  - x\n"
            "  - z\n"
            "- name: b\n"
            "total: 2\n");
  EXPECT_EQ(Yaml(R"([[1, 2], [3], {"a": [4]}])"), "- - 1\n  - 2\n- - 3\n- a:\n  - 4\n");
}

TEST(YamlTest, EmptyObjectsAndListsAreShown) {
  EXPECT_EQ(Yaml(R"({"a": {}, "b": [], "c": [[], {}]})"), "a: {}\nb: []\nc:\n- []\n- {}\n");
  EXPECT_EQ(Yaml("{}"), "{}\n");
  EXPECT_EQ(Yaml("[]"), "[]\n");
}

TEST(YamlTest, ABareScalarIsADocument) {
  EXPECT_EQ(Yaml("\"text\""), "text\n");
  EXPECT_EQ(Yaml("7"), "7\n");
}

TEST(YamlTest, WhatIsNoJsonIsRefused) {
  for (const char* text : {"", "{", "{\"a\":}", "nope", "{} {}"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(YamlFromJson(text).status())) << text;
  }
}

}  // namespace
}  // namespace center::cli
