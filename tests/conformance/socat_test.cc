// socat: the plainest of producers.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::conformance {
namespace {

using ::testing::ElementsAre;

itest::RunResult SendFile(uint16_t port, const std::string& file) {
  return itest::RunToEnd(CENTER_SOCAT,
                         {"-u", absl::StrCat("FILE:", file), absl::StrCat("TCP:127.0.0.1:", port)});
}

TEST(SocatTest, AFileOfLinesArrivesInOrder) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec());
  std::vector<std::string> lines = NumberedLines("socat", 50'000);
  const std::string file = fleet.dir() / "lines";
  // An empty line is a payload, and the last line needs no line feed.
  itest::WriteWholeFile(file, absl::StrCat(AsText(lines), "\r\n", "unterminated"));
  lines.insert(lines.end(), {"", "unterminated"});

  const itest::RunResult run = SendFile(port, file);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(fleet.WaitStored("default", lines.size())) << fleet.StoredPayloads("default");
  EXPECT_EQ(FirstDifference(StoredInOrder(fleet), lines), "");
}

TEST(SocatTest, LengthPrefixedBinaryFileArrivesByteForByte) {
  itest::Fleet fleet;
  const uint16_t port = fleet.MustStart("default", itest::SmallSpec(1, v1::FRAMING_LENGTH));
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
  const std::string big(300'000, '\n');
  const std::string file = fleet.dir() / "frames";
  itest::WriteWholeFile(file, absl::StrCat(itest::LengthFrame(every_byte), itest::LengthFrame(""),
                                           itest::LengthFrame(big), itest::LengthFrame("end")));

  const itest::RunResult run = SendFile(port, file);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(fleet.WaitStored("default", 4)) << fleet.StoredPayloads("default");
  EXPECT_THAT(StoredInOrder(fleet), ElementsAre(every_byte, "", big, "end"));
}

TEST(SocatTest, TheBannerIsShownAndTheEndOfInputEndsTheConnection) {
  itest::Fleet fleet;
  v1::ServerSpec spec = itest::SmallSpec();
  spec.set_banner("Center is listening\n");
  const uint16_t port = fleet.MustStart("default", spec);
  // socat half-closes at the end of its input; -t is how long it waits for the other half, so
  // that only the worker's close ends it in time.
  const itest::RunResult run =
      itest::RunToEnd(CENTER_SOCAT, {"-t", "300", "STDIO", absl::StrCat("TCP:127.0.0.1:", port)},
                      "hello\n", absl::Seconds(30));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "Center is listening\n");
  EXPECT_TRUE(fleet.WaitStored("default", 1));
  EXPECT_THAT(StoredInOrder(fleet), ElementsAre("hello"));
}

}  // namespace
}  // namespace center::conformance
