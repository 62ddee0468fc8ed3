// Values that people write with units, names or words.
#include "cli/flags.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'748'779'200);  // 2025-06-01T12:00:00Z

TEST(ParseMomentTest, ReadsTimesWithAZone) {
  EXPECT_EQ(*ParseMoment("2025-06-01T12:00:00Z", kNow), kNow);
  EXPECT_EQ(*ParseMoment("2025-06-01T14:00:00+02:00", kNow), kNow);
  EXPECT_EQ(*ParseMoment("2025-06-01T12:00:00.5Z", kNow), kNow + absl::Milliseconds(500));
}

TEST(ParseMomentTest, ReadsLocalTimesAndDays) {
  const absl::TimeZone zone = absl::LocalTimeZone();
  const auto local = [&](int hour, int minute, int second) {
    return absl::FromCivil(absl::CivilSecond(2025, 6, 1, hour, minute, second), zone);
  };
  EXPECT_EQ(*ParseMoment("2025-06-01 08:30:15", kNow), local(8, 30, 15));
  EXPECT_EQ(*ParseMoment("2025-06-01T08:30:15", kNow), local(8, 30, 15));
  EXPECT_EQ(*ParseMoment("2025-06-01 08:30", kNow), local(8, 30, 0));
  EXPECT_EQ(*ParseMoment("2025-06-01", kNow), local(0, 0, 0));
  const absl::CivilSecond now = absl::ToCivilSecond(kNow, zone);
  EXPECT_EQ(*ParseMoment("08:30", kNow),
            absl::FromCivil(absl::CivilSecond(now.year(), now.month(), now.day(), 8, 30), zone));
}

TEST(ParseMomentTest, ADurationIsThatLongAgo) {
  EXPECT_EQ(*ParseMoment("10m", kNow), kNow - absl::Minutes(10));
  EXPECT_EQ(*ParseMoment("1h30m", kNow), kNow - absl::Minutes(90));
}

TEST(ParseMomentTest, NonsenseIsRefusedWithWhatWouldBeRight) {
  for (const char* text : {"", "soon", "2025-13-01", "25:00", "12:00 PM", "-5m", "10"}) {
    const auto parsed = ParseMoment(text, kNow);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("10m"));
  }
}

std::string Check(const CLI::Validator& validator, std::string text) { return validator(text); }

TEST(WholeNumberTest, TakesTheNumbersInItsRange) {
  EXPECT_EQ(Check(WholeNumber(), "0"), "");
  EXPECT_EQ(Check(WholeNumber(), "18446744073709551615"), "");
  EXPECT_EQ(Check(WholeNumber(1, 256), "1"), "");
  EXPECT_EQ(Check(WholeNumber(1, 256), "256"), "");
  EXPECT_EQ(Check(WholeNumber(1, 256), "257"), "257 is not between 1 and 256");
  EXPECT_EQ(Check(WholeNumber(1), "0"), "0 is too small: at least 1");
}

TEST(WholeNumberTest, RefusesWhatCppWouldReadDifferentlyThanPeople) {
  for (const char* text :
       {"", "-1", "+1", "1.5", "1e3", "0x10", "010", " 1", "1 ", "ten", "18446744073709551616"}) {
    EXPECT_THAT(Check(WholeNumber(), text), HasSubstr("is no whole number")) << text;
  }
}

TEST(FlagsTest, SizesDurationsAndChoicesLandInTheirVariables) {
  CLI::App app;
  uint64_t bytes = 7;
  absl::Duration duration = absl::Seconds(7);
  std::string word = "line";
  AddByteSize(app, "--size", &bytes, "");
  AddDuration(app, "--time", &duration, "");
  AddChoice(app, "--word", &word, {"line", "chunk"}, "");
  app.parse("--size 64KiB --time 1m30s --word chunk");
  EXPECT_EQ(bytes, 64u << 10);
  EXPECT_EQ(duration, absl::Seconds(90));
  EXPECT_EQ(word, "chunk");
  CLI::App untouched;
  AddByteSize(untouched, "--size", &bytes, "");
  untouched.parse("");
  EXPECT_EQ(bytes, 64u << 10);
}

}  // namespace
}  // namespace center::cli
