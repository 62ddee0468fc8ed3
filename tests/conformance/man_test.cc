// The manual page centerctl(1), as the programs that show and check such pages have it.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"

namespace center::conformance {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ManTest : public ::testing::Test {
 protected:
  ManTest() {
    const itest::RunResult made = itest::RunToEnd(itest::Binary("centerctl"), {"__man"});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    itest::WriteWholeFile(page_, made.out);
  }

  itest::TempDir dir_;
  const std::string page_ = dir_ / "centerctl.1";
};

TEST_F(ManTest, ManShowsEveryCommandWithoutAWarning) {
  const itest::RunResult shown =
      itest::RunToEnd(CENTER_MAN, {"-l", "--warnings=w", page_}, "", absl::Seconds(60),
                      {"MANWIDTH=80", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING="});
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_THAT(shown.err, IsEmpty());
  EXPECT_THAT(shown.out, AllOf(HasSubstr("CENTERCTL(1)"), HasSubstr("centerctl server start"),
                               HasSubstr("--max-payload-bytes"), HasSubstr("EXIT STATUS"),
                               // Dashes that can be copied, and backslashes that are still there.
                               HasSubstr("printf '%s\\n' 'server start -n 2'")));
}

TEST_F(ManTest, MandocFindsNothingWrong) {
  const itest::RunResult lint =
      itest::RunToEnd(CENTER_MANDOC, {"-T", "lint", "-W", "warning", page_});
  EXPECT_EQ(lint.exit_code, 0);
  EXPECT_THAT(lint.out, IsEmpty());
}

}  // namespace
}  // namespace center::conformance
