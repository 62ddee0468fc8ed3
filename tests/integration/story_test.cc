// The whole story at a terminal: from nothing to servers, clients, live payloads, a job, a killed
// worker and its cause, with nothing but what the screen says.
#include <csignal>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/shell_at_terminal.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class StoryTest : public ::testing::Test {
 protected:
  StoryTest() { AdoptOrphans(); }
  ~StoryTest() override {
    shell_ = nullptr;
    KillDescendants();
  }
  TerminalProcess& Terminal() { return shell_->terminal(); }
  std::string Screen() { return Terminal().screen().Text(); }
  std::string Everything() { return Terminal().screen().Everything(); }
  bool WaitScreen(const std::string& text) {
    return Terminal().WaitUntil([&] { return absl::StrContains(Screen(), text); });
  }
  // What a second terminal would show: centerctl beside the shell.
  std::string Beside(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", address_});
    const RunResult result = RunToEnd(Binary("centerctl"), args);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  // The process of games/0, read off the table as a person would.
  pid_t WorkerPid() {
    const std::string table = Beside({"worker", "list", "games"});
    const size_t row = table.find("games/0");
    int pid = 0;
    const std::vector<std::string> words =
        absl::StrSplit(row == std::string::npos ? "" : table.substr(row), ' ', absl::SkipEmpty());
    EXPECT_TRUE(words.size() > 2 && absl::SimpleAtoi(words[2], &pid)) << table;
    return pid;
  }

  TempDir home_;
  const std::string address_ = absl::StrCat("unix:", home_ / "c.sock");
  std::unique_ptr<ShellAtTerminal> shell_ = std::make_unique<ShellAtTerminal>(address_, home_);
};

TEST_F(StoryTest, FromNothingToAKilledWorkerAndItsCause) {
  Terminal().See("Start one here? [Y/n]");
  Terminal().Type(kEnter);
  Terminal().See("coordinator started: pid");

  shell_->Command("help server start");
  EXPECT_THAT(Everything(), HasSubstr("--workers"));
  shell_->Command("server start games -p 0 -n 2");
  EXPECT_THAT(Everything(), HasSubstr("server games is running at 127.0.0.1:"));

  WriteWholeFile(home_ / "payloads.txt", "first payload\nJSON|{\"n\": 1}\nlast payload\n");
  shell_->Command(absl::StrCat("send games ", home_ / "payloads.txt"));
  shell_->Command("tail games --from earliest --count 3");
  EXPECT_THAT(Everything(), AllOf(HasSubstr("first payload"), HasSubstr("last payload")));

  // Payloads as they come: above the line while the shell is asked for the next command.
  shell_->Command("monitor on");
  shell_->Command("client start load --server games --interval 50ms");
  EXPECT_THAT(Everything(), HasSubstr("client load sends to games at 127.0.0.1:"));
  Terminal().See("\"proto_cnt\": 3");
  Terminal().See("STRING|4");
  shell_->Command("monitor off");
  shell_->Command("client list");
  EXPECT_THAT(Everything(), HasSubstr("load  RUNNING  games"));

  shell_->Command("job submit primes --server games --range 1:1000 --wait");
  shell_->Command("job list");
  EXPECT_THAT(Everything(), HasSubstr("SUCCEEDED"));

  const pid_t pid = WorkerPid();
  ASSERT_TRUE(KillProcess(pid));
  shell_->WaitForPrompt();
  Terminal().Type(absl::StrCat("top", kEnter));
  EXPECT_TRUE(WaitScreen("worker-died")) << Screen();
  EXPECT_TRUE(WaitScreen("2/2 workers ready")) << Screen();
  EXPECT_THAT(Screen(),
              AllOf(HasSubstr("killed by SIGKILL"), HasSubstr("games/1"), HasSubstr("primes"),
                    HasSubstr("100%"), HasSubstr("CLIENT"), HasSubstr("load/0")));
  Terminal().Type("q");
  shell_->Command("server status games");
  EXPECT_THAT(Everything(), HasSubstr("games/0 was restarted 1 time"));
  shell_->Command("events games");
  EXPECT_THAT(Everything(), HasSubstr("killed by SIGKILL"));

  shell_->WaitForPrompt();
  Terminal().Type(absl::StrCat("client status load --watch", kEnter));
  EXPECT_TRUE(WaitScreen("q or Ctrl-C leaves")) << Screen();
  EXPECT_THAT(Screen(), AllOf(HasSubstr("Sends to"), HasSubstr("load/0")));
  Terminal().Type("q");
  shell_->Command("client stop load");
  EXPECT_THAT(Everything(), HasSubstr("client load stopped: "));

  shell_->WaitForPrompt();
  Terminal().Type(absl::StrCat("worker list --watch", kEnter));
  EXPECT_TRUE(WaitScreen("q or Ctrl-C leaves")) << Screen();
  Terminal().Type(kCtrlC);
  shell_->WaitForPrompt();
  Terminal().Type(absl::StrCat("coordinator stop", kEnter));
  Terminal().See("Go on? [y/N]");
  Terminal().Type(absl::StrCat("y", kEnter));
  shell_->WaitForPrompt();
  EXPECT_THAT(Everything(), HasSubstr("coordinator stopped"));
  shell_->Leave();
}

}  // namespace
}  // namespace center::itest
