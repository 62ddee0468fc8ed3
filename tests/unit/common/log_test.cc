#include "services/common/log.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

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
}

TEST(LogTest, FormatsStringViewsAndStatuses) {
  EXPECT_EQ(fmt::format("{}|{}", absl::string_view("view"), absl::NotFoundError("gone")),
            "view|NOT_FOUND: gone");
}

}  // namespace
}  // namespace center
