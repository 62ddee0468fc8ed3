// `centerctl shell` as the person in front of it has it: typed at a pseudo-terminal, looked at on
// its screen.
#include <csignal>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"
#include "tests/integration/shell_at_terminal.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ShellTest : public ::testing::Test {
 protected:
  ShellAtTerminal& Shell() {
    if (shell_ == nullptr) shell_ = std::make_unique<ShellAtTerminal>(fleet_.address(), home_);
    return *shell_;
  }
  TerminalProcess& Terminal() { return Shell().terminal(); }
  // What can be read on the terminal by now.
  std::string Seen() { return Terminal().screen().Everything(); }

  Fleet fleet_;
  TempDir home_;
  std::unique_ptr<ShellAtTerminal> shell_;
};

TEST_F(ShellTest, GreetsRunsCommandsAndLeaves) {
  fleet_.MustStart("games", SmallSpec(2));
  Terminal().See("1 server, 2 workers");
  Shell().Command("server list -o name");
  EXPECT_THAT(Seen(), HasSubstr("$ server list -o name\ngames\n$"));
  Shell().Command("centerctl worker list -o name");  // from habit
  EXPECT_THAT(Seen(), HasSubstr("games/0\ngames/1\n$"));
  Shell().Leave();
}

TEST_F(ShellTest, CtrlDAtTheBeginningOfALineLeaves) {
  Shell().WaitForPrompt();
  Terminal().Type(kCtrlD);
  EXPECT_EQ(Terminal().Wait(), 0);
  EXPECT_TRUE(Terminal().SettingsRestored());
}

TEST_F(ShellTest, TabCompletesCommandsFlagsAndLiveNames) {
  fleet_.MustStart("games");
  fleet_.MustStart("market");
  Shell().WaitForPrompt();
  Terminal().Type(absl::StrCat("ser", kTab));
  EXPECT_TRUE(Shell().WaitForLine("$ server"));
  Terminal().Type(absl::StrCat("stat", kTab));
  EXPECT_TRUE(Shell().WaitForLine("$ server status"));
  Terminal().Type(absl::StrCat("mar", kTab));
  EXPECT_TRUE(Shell().WaitForLine("$ server status market"));
  Terminal().Type(absl::StrCat("--out", kTab));
  EXPECT_TRUE(Shell().WaitForLine("$ server status market --output"));
  Terminal().Type(absl::StrCat("na", kTab, kEnter));
  Terminal().See("$ server status market --output name");
  Terminal().See("\nmarket\n");
  Shell().WaitForPrompt();
  Terminal().Type(absl::StrCat("worker restart ga", kTab));
  EXPECT_TRUE(Shell().WaitForLine("$ worker restart games/0"));
}

TEST_F(ShellTest, TabShowsWhatThereIsToChooseFrom) {
  Shell().WaitForPrompt();
  Terminal().Type(absl::StrCat("server sta", kTab));
  Terminal().See("start");
  Terminal().See("Show a server and its workers");
  // What was typed stands there again, to be gone on with.
  EXPECT_TRUE(Shell().WaitForLine("$ server sta"));
  Terminal().Type(absl::StrCat("r", kTab));
  EXPECT_TRUE(Shell().WaitForLine("$ server start"));
}

TEST_F(ShellTest, CtrlCEndsTheCommandAndNotTheShell) {
  fleet_.MustStart("games");
  Shell().WaitForPrompt();
  Terminal().Type(absl::StrCat("events --follow", kEnter));
  Terminal().See("worker-ready");
  Terminal().Type(kCtrlC);
  Shell().Command("server list -o name");
  EXPECT_THAT(Seen(), HasSubstr("$ server list -o name\ngames\n"));
  Shell().Leave();
}

TEST_F(ShellTest, CtrlCDropsTheLineThatIsTyped) {
  Shell().WaitForPrompt();
  Terminal().Type("server stop --now");
  Terminal().See("server stop --now");
  Terminal().Type(kCtrlC);
  Shell().WaitForPrompt();
  Shell().Command("server list -o name");
  EXPECT_THAT(Seen(), Not(HasSubstr("SERVER_NOT_FOUND")));
  Shell().Leave();
}

TEST_F(ShellTest, TheHistoryOutlivesTheShell) {
  Shell().Command("server list -o name");
  Shell().Command("version");
  Shell().Leave();
  EXPECT_THAT(ReadWholeFile(home_ / "state/center/history"), HasSubstr("version"));

  shell_ = nullptr;
  Shell().WaitForPrompt();
  Terminal().Type(absl::StrCat(kUp, kUp));  // past `exit`
  EXPECT_TRUE(Shell().WaitForLine("$ version")) << Terminal().screen().Text();
  Terminal().Type(kUp);
  EXPECT_TRUE(Shell().WaitForLine("$ server list -o name")) << Terminal().screen().Text();
}

TEST_F(ShellTest, AWrongCommandNamesTheNearestAndShowsItsHelp) {
  Shell().Command("server strat");
  EXPECT_THAT(Seen(), AllOf(HasSubstr("did you mean `centerctl server start`?"),
                            HasSubstr("Usage: centerctl server")));
  Shell().Command("wroker list");
  EXPECT_THAT(Seen(), HasSubstr("did you mean `centerctl worker`?"));
  Shell().Command("monitor maybe");
  EXPECT_THAT(Seen(), HasSubstr("takes on or off"));
  Shell().Command("server 'status");
  EXPECT_THAT(Seen(), HasSubstr("is not closed"));
  Shell().Leave();
}

TEST_F(ShellTest, HelpIsThatOfTheCommandLineAndTheShells) {
  Shell().Command("help server scale");
  EXPECT_THAT(Seen(), HasSubstr("Usage: centerctl server scale"));
  Shell().Command("help");
  EXPECT_THAT(Seen(), HasSubstr("monitor on [SERVER]"));
  Shell().Leave();
}

TEST_F(ShellTest, MonitorShowsPayloadsAndEventsAboveTheLine) {
  const uint16_t port = fleet_.MustStart("games");  // whatever it is called
  Shell().Command("monitor on");
  Terminal().See("monitor: on, for events and games");
  Terminal().Type("server sta");  // somebody is typing
  ASSERT_TRUE(Shell().WaitForLine("$ server sta"));
  const auto followed = [this] {
    const auto server = fleet_.GetServer("games");
    return server.ok() && server->workers(0).stats().subscribers() > 0;
  };
  ASSERT_TRUE(WaitFor(followed));
  Producer producer(port);
  ASSERT_TRUE(producer.Send("JSON|{\"n\": 1}\nhello from a producer\n"));
  Terminal().See("hello from a producer");
  Terminal().See("\"n\": 1");
  EXPECT_TRUE(Shell().WaitForLine("$ server sta"));
  ASSERT_TRUE(KillProcess(fleet_.WorkerPid("games", 0)));
  Terminal().See("killed by SIGKILL");
  EXPECT_TRUE(Shell().WaitForLine("$ server sta"));
  Terminal().Type(kCtrlC);
  Shell().Command("monitor off");
  EXPECT_THAT(Seen(), HasSubstr("monitor: off"));
  Shell().Leave();
}

TEST_F(ShellTest, RepeatRunsACommandUntilCtrlC) {
  fleet_.MustStart("games");
  Shell().Command("repeat -n 3 -i 10ms server list -o name");
  EXPECT_THAT(Seen(), HasSubstr("\ngames\ngames\ngames\n$"));
  Shell().WaitForPrompt();
  Terminal().Type(absl::StrCat("repeat -i 1h version", kEnter));
  Terminal().See("\ncenter-coordinator ");
  Terminal().Type(kCtrlC);
  Shell().Leave();
}

TEST_F(ShellTest, GoesOnWhenTheCoordinatorIsBack) {
  fleet_.MustStart("games");
  Shell().Command("server list -o name");
  fleet_.KillCoordinator();
  Shell().Command("worker list");
  EXPECT_THAT(Seen(), HasSubstr("no coordinator"));
  fleet_.Start();
  Shell().Command("worker list -o name");
  EXPECT_THAT(Seen(), HasSubstr("games/0"));
  Shell().Leave();
}

TEST_F(ShellTest, ANarrowTerminalIsEnough) {
  shell_ = std::make_unique<ShellAtTerminal>(fleet_.address(), home_, /*columns=*/30);
  Shell().WaitForPrompt();
  Terminal().Type("server list -o name --color never");
  Terminal().Type(kEnter);
  Shell().WaitForPrompt();
  Shell().Leave();
}

// No fleet: the shell's own offer starts it.
class ShellAloneTest : public ::testing::Test {
 protected:
  ShellAloneTest() { AdoptOrphans(); }
  ~ShellAloneTest() override {
    shell_ = nullptr;
    KillDescendants();
  }

  TempDir home_;
  const std::string address_ = absl::StrCat("unix:", home_ / "c.sock");
  std::unique_ptr<ShellAtTerminal> shell_ = std::make_unique<ShellAtTerminal>(address_, home_);
};

TEST_F(ShellAloneTest, OffersToStartACoordinator) {
  shell_->terminal().See("Start one here? [Y/n]");
  shell_->terminal().Type(kEnter);
  shell_->terminal().See("coordinator started: pid");
  shell_->Command("server start -p 0");
  EXPECT_THAT(shell_->terminal().screen().Everything(), HasSubstr("server default is running"));
  shell_->WaitForPrompt();
  shell_->terminal().Type(absl::StrCat("coordinator stop", kEnter));
  shell_->terminal().See("Go on? [y/N]");
  shell_->terminal().Type(absl::StrCat("y", kEnter));
  shell_->WaitForPrompt();
  EXPECT_THAT(shell_->terminal().screen().Everything(), HasSubstr("coordinator stopped"));
  shell_->Leave();
}

TEST_F(ShellAloneTest, TakesANoAndSaysThatNobodyAnswers) {
  shell_->terminal().See("Start one here? [Y/n]");
  shell_->terminal().Type(absl::StrCat("n", kEnter));
  shell_->Command("server list");
  EXPECT_THAT(shell_->terminal().screen().Everything(),
              AllOf(HasSubstr("coordinator start"), Not(HasSubstr("coordinator started"))));
  shell_->Leave();
}

TEST_F(ShellAloneTest, CtrlCAtTheOfferIsANo) {
  shell_->terminal().See("Start one here? [Y/n]");
  shell_->terminal().Type(kCtrlC);
  shell_->WaitForPrompt();
  shell_->Leave();
  EXPECT_FALSE(std::filesystem::exists(home_ / "c.sock"));
}

using ShellScriptTest = ShellTest;

TEST_F(ShellScriptTest, RunsLineByLineAndEndsWithTheLastFailure) {
  const RunResult good = fleet_.Ctl({"shell"},
                                    "# a comment\n"
                                    "server start games -p 0 --quiet\n"
                                    "\n"
                                    "server list -o name\n"
                                    "repeat -n 2 -i 1ms worker list -o name\n"
                                    "exit\n"
                                    "server list -o json\n");
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(good.out, "games\ngames/0\ngames/0\n");

  const RunResult bad = fleet_.Ctl({"shell", "--quiet"},
                                   "server status nothing\n"
                                   "server list -o name\n");
  EXPECT_EQ(bad.exit_code, 64 + 5);  // NOT_FOUND
  EXPECT_EQ(bad.out, "games\n");
  EXPECT_THAT(bad.err, HasSubstr("nothing"));
}

TEST_F(ShellScriptTest, CommandsMayReadTheScriptsRest) {
  const uint16_t port = fleet_.MustStart("default");
  ASSERT_NE(port, 0);
  const RunResult sent = fleet_.Ctl({"shell"}, "send default\nfirst\nsecond\n");
  EXPECT_EQ(sent.exit_code, 0) << sent.err;
  EXPECT_TRUE(fleet_.WaitStored("default", 2));
}

TEST_F(ShellScriptTest, GlobalFlagsAreThoseOfEveryCommand) {
  fleet_.MustStart("games");
  const RunResult result = fleet_.Ctl({"-o", "name", "shell"}, "server list\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "games\n");
  EXPECT_THAT(result.err, StartsWith("Center "));
}

}  // namespace
}  // namespace center::itest
