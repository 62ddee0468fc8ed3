#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/kube/json.h"
#include "services/coordinator/kube/yaml.h"

namespace center::kube {
namespace {

using ::testing::HasSubstr;

TEST(KubeJsonTest, WhatIsMissingOrOfAnotherTypeReadsAsAbsent) {
  const auto json = ParseJson(R"({"a": {"b": "text", "n": 7, "t": true}, "list": [1]})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(TextAt(*json, {"a", "b"}), "text");
  EXPECT_EQ(NumberAt(*json, {"a", "n"}), 7);
  EXPECT_TRUE(TruthAt(*json, {"a", "t"}));
  EXPECT_EQ(TextAt(*json, {"a", "n"}), "");
  EXPECT_EQ(NumberAt(*json, {"a", "b"}, 3), 3);
  EXPECT_EQ(TextAt(*json, {"list", "b"}), "");
  EXPECT_EQ(TextAt(*json, {"a", "b", "c"}), "");
  EXPECT_EQ(TimeAt(*json, {"a", "b"}), absl::InfinitePast());
}

TEST(KubeJsonTest, DeepNestingIsRefusedRatherThanFollowed) {
  const std::string deep(100'000, '[');
  EXPECT_THAT(std::string(ParseJson(deep).status().message()), HasSubstr("nested deeper"));
  EXPECT_FALSE(ParseJson("{\"a\": ").ok());
  EXPECT_FALSE(ParseJson("").ok());
}

TEST(KubeJsonTest, TimesAreReadWithAndWithoutFractions) {
  const auto json = ParseJson(R"({"a": "2026-11-25T12:00:01Z", "b": "2026-11-25T12:00:01.5Z"})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(TimeAt(*json, {"b"}) - TimeAt(*json, {"a"}), absl::Milliseconds(500));
}

TEST(KubeYamlTest, ScalarsKeepTheirMeaning) {
  const auto yaml =
      ParseYaml("a: 1\nb: '1'\nc: true\nd: ~\ne: [x, 007]\nf:\n  g: |\n    two\n    lines\n");
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  EXPECT_EQ(yaml->dump(),
            R"({"a":1,"b":"1","c":true,"d":null,"e":["x","007"],"f":{"g":"two\nlines\n"}})");
}

TEST(KubeYamlTest, MistakesAreToldWithTheirLine) {
  EXPECT_THAT(std::string(ParseYaml("a: 1\nb: [\n").status().message()), HasSubstr("line"));
  EXPECT_TRUE(ParseYaml("")->is_null());
}

// Ten lines that stand for 9^9 nodes.
TEST(KubeYamlTest, AliasesThatMultiplyAreRefused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 8; ++j) bomb += before + ", ";
    bomb += before + "]\n";
  }
  EXPECT_THAT(std::string(ParseYaml(bomb).status().message()), HasSubstr("too large"));
}

}  // namespace
}  // namespace center::kube
