// util-linux' logger, which speaks syslog over TCP in both framings of RFC 6587.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"

namespace center::conformance {
namespace {

using ::testing::ElementsAre;

// What varies (time, host) is left out, so that messages can be compared byte by byte.
std::vector<std::string> LoggerArgs(uint16_t port, std::vector<std::string> more) {
  std::vector<std::string> args = {"--tcp",  "--server",         "127.0.0.1",
                                   "--port", absl::StrCat(port), "--rfc5424=notime,notq,nohost",
                                   "--tag",  "conformance"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::string Rfc5424(absl::string_view message) {
  return absl::StrCat("<13>1 - - conformance - - - ", message);
}

std::vector<std::string> Rfc5424All(const std::vector<std::string>& messages) {
  std::vector<std::string> all;
  for (const std::string& message : messages) all.push_back(Rfc5424(message));
  return all;
}

void Log(uint16_t port, const std::vector<std::string>& more) {
  const itest::RunResult run = itest::RunToEnd(CENTER_LOGGER, LoggerArgs(port, more));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
}

TEST(LoggerTest, OctetCountedMessagesAreKeptWhole) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(1, v1::FRAMING_OCTET));
  Log(port, {"--octet-count", "plain"});
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  Log(port, {"--octet-count", "gr\xc3\xbc\xc3\x9f Gott"});
  ASSERT_TRUE(fleet.WaitStored("default", 2));
  // What line framing could not carry.
  Log(port, {"--octet-count", "two\nlines"});
  ASSERT_TRUE(fleet.WaitStored("default", 3));
  EXPECT_THAT(
      StoredInOrder(fleet),
      ElementsAre(Rfc5424("plain"), Rfc5424("gr\xc3\xbc\xc3\x9f Gott"), Rfc5424("two\nlines")));
}

TEST(LoggerTest, AFileOctetCountedOverOneConnectionArrivesInOrder) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(1, v1::FRAMING_OCTET));
  const std::vector<std::string> lines = NumberedLines("octet", 3'000);
  const std::string file = fleet.dir() / "messages";
  itest::WriteWholeFile(file, AsText(lines));
  Log(port, {"--octet-count", "--file", file});
  EXPECT_TRUE(fleet.WaitStored("default", lines.size()));
  EXPECT_EQ(FirstDifference(StoredInOrder(fleet), Rfc5424All(lines)), "");
}

TEST(LoggerTest, WithoutOctetCountEachMessageIsALine) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec());
  const std::vector<std::string> lines = NumberedLines("line", 3'000);
  const std::string file = fleet.dir() / "messages";
  itest::WriteWholeFile(file, AsText(lines));
  Log(port, {"--file", file});
  EXPECT_TRUE(fleet.WaitStored("default", lines.size()));
  EXPECT_EQ(FirstDifference(StoredInOrder(fleet), Rfc5424All(lines)), "");
}

TEST(LoggerTest, ManyLoggersShareTwoWorkers) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(2));
  constexpr int kLoggers = 6;
  std::vector<std::unique_ptr<itest::Process>> loggers;
  std::vector<std::string> expected;
  for (int i = 0; i < kLoggers; ++i) {
    const std::vector<std::string> lines = NumberedLines(absl::StrCat("logger", i), 500);
    const std::string file = fleet.dir() / absl::StrCat("messages", i);
    itest::WriteWholeFile(file, AsText(lines));
    loggers.push_back(std::make_unique<itest::Process>(itest::Process::Options{
        .program = CENTER_LOGGER, .args = LoggerArgs(port, {"--file", file})}));
    for (const std::string& line : lines) expected.push_back(Rfc5424(line));
  }
  for (const auto& logger : loggers) EXPECT_EQ(logger->Wait(absl::Seconds(30)), 0);
  EXPECT_TRUE(fleet.WaitStored("default", expected.size()));
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(
      FirstDifference(itest::SortedPayloads(itest::ReadAll(fleet.channel(), "default")), expected),
      "");
}

}  // namespace
}  // namespace center::conformance
