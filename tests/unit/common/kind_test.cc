#include "services/common/kind.h"

#include <string>

#include "gtest/gtest.h"

namespace center {
namespace {

using namespace std::string_literals;

TEST(KindTest, JsonIsAPrefixedDocumentOrABareObjectOrArray) {
  for (const char* payload : {R"(JSON|{"a": 1})", "JSON|[1, 2]", "JSON|17", R"(JSON|"text")",
                              R"({"a": {"b": []}})", "[]", "  {} ", "\t[1]\r\n"}) {
    EXPECT_EQ(ClassifyPayload(payload), PayloadKind::kJson) << payload;
  }
}

TEST(KindTest, OtherUtf8IsText) {
  for (const char* payload : {"", "STRING|2", "17", "\"text\"", "true", "{", "{\"a\"", "[1,]",
                              "JSON|", "JSON|{", "json|{}", "{} {}", "grüße", "日本"}) {
    EXPECT_EQ(ClassifyPayload(payload), PayloadKind::kText) << payload;
  }
}

TEST(KindTest, WhatIsNotUtf8IsBinary) {
  EXPECT_EQ(ClassifyPayload("\xff\xfe"), PayloadKind::kBinary);
  EXPECT_EQ(ClassifyPayload("caf\xe9"), PayloadKind::kBinary);
  EXPECT_EQ(ClassifyPayload("{\"a\": \"\xff\"}"), PayloadKind::kBinary);
  EXPECT_EQ(ClassifyPayload("\xc0\x80"), PayloadKind::kBinary);  // an overlong NUL
  EXPECT_EQ(ClassifyPayload("a\0b"s), PayloadKind::kText);       // a NUL is valid UTF-8
}

TEST(KindTest, DeepNestingIsSurvived) {
  EXPECT_EQ(ClassifyPayload(std::string(100'000, '[')), PayloadKind::kText);
}

TEST(KindTest, JsonTextLeavesThePrefixOut) {
  EXPECT_EQ(JsonText("JSON|{}"), "{}");
  EXPECT_EQ(JsonText("{}"), "{}");
  EXPECT_EQ(JsonText(""), "");
}

}  // namespace
}  // namespace center
