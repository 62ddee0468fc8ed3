#include "services/common/log.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace center {
namespace {

using ::testing::HasSubstr;

TEST(LogTest, UnknownFormatAndLevelAreRefusedWithWhatWouldBeRight) {
  EXPECT_THAT(InitLogging({.name = "x", .format = "xml"}).ToString(),
              HasSubstr("'xml': use text or json"));
  EXPECT_THAT(InitLogging({.name = "x", .level = "loud"}).ToString(), HasSubstr("'loud': use"));
}

TEST(LogTest, PrintableEscapesWhatCouldForgeALine) {
  EXPECT_EQ(Printable("plain"), "plain");
  EXPECT_EQ(Printable("a\nb\x1b[0m"), "a\\nb\\033[0m");
  EXPECT_EQ(Printable("grüße"), "grüße");
  EXPECT_EQ(Printable("abcdef", 3), "abc…");
  EXPECT_EQ(Printable("server 'a' says \"b\""), "server 'a' says \"b\"");
  EXPECT_EQ(Printable("a\\'b\\n"), "a\\\\'b\\\\n");
}

TEST(LogTest, AJsonLineIsAnObjectWhateverTheMessage) {
  ASSERT_TRUE(InitLogging({.name = "default/0", .format = "json"}).ok());
  const std::string message = "server 'a' says \"b\\n\"\nand \x01 more";
  testing::internal::CaptureStderr();
  spdlog::info("{}", message);
  spdlog::info("{}", "no UTF-8: \xff");
  const std::string out = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(InitLogging({.name = "test"}).ok());
  const size_t end = out.find('\n');
  const auto first = nlohmann::json::parse(out.substr(0, end), nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(first.is_object()) << out;
  EXPECT_EQ(first["message"], message);
  EXPECT_EQ(first["level"], "info");
  EXPECT_EQ(first["process"], "default/0");
  const auto second =
      nlohmann::json::parse(out.substr(end + 1), nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(second.is_object()) << out;
  EXPECT_EQ(second["message"], "no UTF-8: \xef\xbf\xbd");
}

TEST(LogTest, FormatsStringViewsAndStatuses) {
  EXPECT_EQ(fmt::format("{}|{}", absl::string_view("view"), absl::NotFoundError("gone")),
            "view|NOT_FOUND: gone");
}

}  // namespace
}  // namespace center
