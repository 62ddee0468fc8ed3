// What `drill` prints, and its command line.
#include "cli/drill.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

DrillReport Report() {
  DrillReport report{.workers = 2};
  report.rows.push_back({.name = "worker-kill",
                         .figures = {.connects = 1234, .cut = 2, .acknowledged = 56'789},
                         .service = absl::Milliseconds(12)});
  report.journals.push_back({.worker = "drill/0", .payloads = 56'789});
  return report;
}

TEST(DrillReportTest, ACleanRunSaysSo) {
  const std::string text = DrillText(Report(), Style(false));
  EXPECT_THAT(text, AllOf(HasSubstr("worker-kill"), HasSubstr("1,234"), HasSubstr("12ms"),
                          HasSubstr("nothing was lost: 56,789 payloads in 1 journal\n")));
  EXPECT_THAT(text, Not(HasSubstr("FAILED")));
}

TEST(DrillReportTest, WhatIsWrongIsNamedInItsRowAndInTheEnd) {
  DrillReport report = Report();
  report.rows[0].figures.lost = 3;
  report.rows[0].figures.refused = 1;
  report.rows[0].status = absl::DeadlineExceededError("no full service");
  report.notes = {"payload 1,2 is lost"};
  report.kept_dir = "/tmp/here";
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(
      DrillText(report, Style(false)),
      AllOf(HasSubstr("1 refused, 3 lost, no full service"), HasSubstr("  payload 1,2 is lost\n"),
            HasSubstr("THE DRILL HAS FAILED"), HasSubstr("kept in /tmp/here")));
}

TEST(DrillReportTest, EachKindOfTroubleFailsARow) {
  const auto fails = [](DrillFigures figures) { return !DrillRow{.figures = figures}.ok(); };
  EXPECT_TRUE(fails({.refused = 1}));
  EXPECT_TRUE(fails({.reset = 1}));
  EXPECT_TRUE(fails({.lost = 1}));
  EXPECT_TRUE(fails({.duplicated = 1}));
  EXPECT_TRUE(fails({.unseen = 1}));
  EXPECT_TRUE(fails({.damaged = 1}));
  EXPECT_FALSE(fails({.connects = 9, .cut = 3, .resent = 5}));
  EXPECT_FALSE((DrillRow{.status = absl::InternalError("x")}).ok());
}

TEST(DrillReportTest, JsonHasNumbersAsTheProtosHaveThem) {
  DrillReport report = Report();
  report.rows[0].figures.lost = 3;
  const std::string json = DrillJson(report, {.seed = 7});
  EXPECT_THAT(json, AllOf(HasSubstr(R"("seed": "7", "workers": 2)"), HasSubstr(R"("lost": "3")"),
                          HasSubstr(R"("serviceSeconds": 0.012000)"), HasSubstr(R"("ok": false)")));
}

class DrillCommandTest : public CliTest {};

TEST_F(DrillCommandTest, AnUnknownRowIsAUsageErrorThatNamesTheRows) {
  const CliResult result = Run({"drill", "--rows", "earthquake"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, AllOf(HasSubstr("earthquake"), HasSubstr("worker-kill")));
}

TEST_F(DrillCommandTest, ARowOfTheOtherBackendIsAUsageErrorThatNamesItsOwn) {
  const CliResult result =
      Run({"drill", "--backend", "statefulset", "--server", "games", "--rows", "worker-kill"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, AllOf(HasSubstr("worker-kill"), HasSubstr("worker-restart, scale")));
}

TEST_F(DrillCommandTest, PodsAreNotRestartedUnlessTheirServerIsNamed) {
  const CliResult result = Run({"drill", "--backend", "statefulset"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, HasSubstr("--server"));
}

TEST_F(DrillCommandTest, AFlagOfTheOtherBackendIsAUsageError) {
  for (const char* flag : {"--server=games", "--producers=a:1", "--framing=octet", "--direct"}) {
    for (const char* command : {"", "chaos"}) {
      std::vector<std::string> args = {"drill"};
      if (*command != '\0') args.emplace_back(command);
      args.emplace_back(flag);
      const CliResult result = Run(args);
      EXPECT_EQ(result.exit_code, kExitUsage) << flag;
      EXPECT_THAT(result.err, HasSubstr("goes with --backend statefulset only")) << flag;
    }
  }
  for (const char* flag : {"--workers=2", "--durability=synced", "--keep", "--lose-segment"}) {
    const CliResult result = Run({"drill", "--backend", "statefulset", "--server", "x", flag});
    EXPECT_EQ(result.exit_code, kExitUsage) << flag;
    EXPECT_THAT(result.err, HasSubstr("goes with --backend local only")) << flag;
  }
}

TEST_F(DrillCommandTest, WhoSaysNoOnATerminalIsAskedNothingElse) {
  Terminal terminal;
  terminal.Type("n\n");
  const int exit_code = RunCenterctl({"drill", "--backend", "statefulset", "--server", "games",
                                      "--address", "unix:/nowhere/c.sock"},
                                     Deps(terminal.fd(), out_.fd(), terminal.fd()));
  EXPECT_EQ(exit_code, kExitFailure);
  EXPECT_THAT(terminal.Read(), AllOf(HasSubstr("restarts the workers of server games"),
                                     HasSubstr("nothing was done"), Not(HasSubstr("answers"))));
}

TEST_F(DrillCommandTest, TheHelpDefinesWhatIsCounted) {
  const CliResult result = Run({"drill", "--help"});
  EXPECT_EQ(result.exit_code, kExitOk);
  EXPECT_THAT(result.out, AllOf(HasSubstr("REFUSED counts every connect that failed"),
                                HasSubstr("LOST when"), HasSubstr("coordinator-kill")));
  EXPECT_THAT(result.out, Not(HasSubstr("lose-segment")));
}

TEST_F(DrillCommandTest, WithoutTheProgramsBesideItItSaysSo) {
  const CliResult result = Run({"drill"});
  EXPECT_EQ(result.exit_code, kExitFailure) << result.err;
  EXPECT_THAT(result.err, HasSubstr("center-coordinator"));
}

}  // namespace
}  // namespace center::cli
