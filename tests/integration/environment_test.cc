// CENTER_* variables, and what else only shows in whole programs; the other variables are in
// tests/unit/cli/args_test.cc.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/terminal.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EnvironmentTest, YesAsksNobodyAtATerminal) {
  Fleet fleet;
  fleet.MustStart("games");
  TerminalProcess stop({.program = Binary("centerctl"),
                        .args = {"coordinator", "stop"},
                        .env = {absl::StrCat("CENTER_ADDRESS=", fleet.address()), "CENTER_YES=1"}});
  EXPECT_EQ(stop.Wait(), 0);
  EXPECT_THAT(stop.screen().Everything(), HasSubstr("coordinator stopped"));
  EXPECT_THAT(stop.screen().Everything(), Not(HasSubstr("Go on?")));
}

TEST(EnvironmentTest, ConfigIsTheFleetThatANewCoordinatorIsToHave) {
  TempDir dir;
  const std::string config = dir / "fleet.toml";
  WriteWholeFile(config, "[servers.of-the-file]\nport = 0\n");
  const std::vector<std::string> env = {absl::StrCat("CENTER_CONFIG=", config),
                                        absl::StrCat("CENTER_DATA_DIR=", dir / "data"),
                                        absl::StrCat("CENTER_ADDRESS=unix:", dir / "c.sock")};
  const auto ctl = [&env](const std::vector<std::string>& args) {
    return RunToEnd(Binary("centerctl"), args, "", absl::Seconds(60), env);
  };
  const RunResult start = ctl(
      {"coordinator", "start", "--http", "off", "--listen", absl::StrCat("unix:", dir / "c.sock")});
  ASSERT_EQ(start.exit_code, 0) << start.err;
  EXPECT_TRUE(
      WaitFor([&] { return ctl({"server", "list", "-o", "name"}).out == "of-the-file\n"; }));
  EXPECT_THAT(ctl({"coordinator", "status"}).out, HasSubstr(dir / "data"));
  EXPECT_EQ(ctl({"coordinator", "stop"}).exit_code, 0);
}

TEST(EnvironmentTest, EachProgramTellsItsNameAndTheOneVersion) {
  const std::string own = RunToEnd(Binary("centerctl"), {"--version"}).out;
  ASSERT_THAT(own, testing::MatchesRegex("centerctl [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  const std::string version = own.substr(own.find(' '));
  for (const char* program : {"center-coordinator", "center-worker", "center-client"}) {
    const RunResult result = RunToEnd(Binary(program), {"--version"});
    EXPECT_EQ(result.exit_code, 0) << program;
    EXPECT_EQ(result.out, absl::StrCat(program, version));
    EXPECT_EQ(result.err, "") << program;
  }
  Fleet fleet;
  const RunResult both = fleet.Ctl({"version"});
  EXPECT_EQ(both.exit_code, 0);
  EXPECT_THAT(both.out, testing::StartsWith(own));
  EXPECT_THAT(both.out, HasSubstr(absl::StrCat("center-coordinator",
                                               version.substr(0, version.size() - 1), " at ")));
}

}  // namespace
}  // namespace center::itest
