// `centerctl top` as the person in front of it has it: on a pseudo-terminal's screen.
#include <sys/wait.h>

#include <csignal>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"
#include "tests/integration/terminal.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kEscape[] = "\x1b";

class TopTest : public ::testing::Test {
 protected:
  TerminalProcess& Top(std::vector<std::string> args = {}) {
    if (top_ != nullptr) return *top_;
    args.insert(args.begin(), {"--address", fleet_.address(), "top", "--interval", "100ms"});
    top_ = std::make_unique<TerminalProcess>(TerminalProcess::Options{
        .program = Binary("centerctl"), .args = std::move(args), .columns = 140, .rows = 40});
    return *top_;
  }
  std::string Seen() { return Top().screen().Text(); }
  bool WaitShown(const std::string& text) {
    return Top().WaitUntil([&] { return absl::StrContains(Seen(), text); });
  }
  bool WaitGone(const std::string& text) {
    return Top().WaitUntil([&] { return !absl::StrContains(Seen(), text); });
  }
  pid_t CoordinatorPid() {
    grpc::ClientContext call;
    v1::GetCoordinatorResponse response;
    const auto stub = v1::ServerService::NewStub(fleet_.channel());
    const grpc::Status status = stub->GetCoordinator(&call, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.coordinator().pid();
  }
  // It ended well, and left the terminal as it was. `wraps` lines were too long before.
  void ExpectLeft(size_t wraps = 0) {
    EXPECT_EQ(Top().Wait(), 0) << Seen();
    EXPECT_TRUE(Top().SettingsRestored());
    EXPECT_FALSE(Top().screen().second());
    EXPECT_TRUE(Top().screen().cursor_visible());
    EXPECT_THAT(Top().screen().unknown(), IsEmpty());
    EXPECT_EQ(Top().screen().wraps(), wraps);
  }

  Fleet fleet_;
  std::unique_ptr<TerminalProcess> top_;
};

TEST_F(TopTest, ShowsTheFleetAsItIsAndWhatHappens) {
  const uint16_t port = fleet_.MustStart("games", SmallSpec(2));
  ASSERT_TRUE(WaitShown("2/2 workers ready")) << Seen();
  // Events are a stream of their own: they may come a moment later.
  ASSERT_TRUE(WaitShown("worker-ready")) << Seen();
  EXPECT_TRUE(Top().screen().second());
  EXPECT_FALSE(Top().screen().cursor_visible());
  EXPECT_THAT(Seen(), AllOf(HasSubstr("games/0"), HasSubstr("games/1"), HasSubstr("READY"),
                            HasSubstr(absl::StrCat("127.0.0.1:", port)), HasSubstr("worker-ready"),
                            HasSubstr("q quit")));
  Producer producer(port);
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "a payload\n";
  ASSERT_TRUE(producer.Send(lines));
  EXPECT_TRUE(Top().WaitUntil([&] {
    return !absl::StrContains(Seen(), " - payloads") && !absl::StrContains(Seen(), " 0/s payloads");
  })) << Seen();
  const pid_t pid = fleet_.WorkerPid("games", 1);
  ASSERT_TRUE(KillProcess(pid));
  EXPECT_TRUE(WaitShown("worker-died")) << Seen();
  EXPECT_THAT(Seen(), HasSubstr("killed by SIGKILL"));
  EXPECT_TRUE(WaitGone(absl::StrCat(" ", pid, " "))) << Seen();
  Top().Type("q");
  ExpectLeft();
}

TEST_F(TopTest, KeysFilterSortAndHelp) {
  fleet_.MustStart("games");
  fleet_.MustStart("market");
  ASSERT_TRUE(WaitShown("market/0")) << Seen();
  Top().Type("/gam");
  EXPECT_TRUE(WaitShown("filter: gam_")) << Seen();
  EXPECT_TRUE(WaitGone("market")) << Seen();
  Top().Type(kEnter);
  EXPECT_TRUE(WaitShown("/ filter: gam")) << Seen();
  Top().Type(kEscape);
  EXPECT_TRUE(WaitShown("market/0")) << Seen();
  Top().Type("m");
  EXPECT_TRUE(WaitShown("MEMORY↓")) << Seen();
  Top().Type("r");
  EXPECT_TRUE(WaitShown("MEMORY↑")) << Seen();
  Top().Type(kTab);
  EXPECT_TRUE(WaitShown("[TIME]")) << Seen();
  Top().Type("?");
  EXPECT_TRUE(WaitShown("this help")) << Seen();
  Top().Type(" ");
  EXPECT_TRUE(WaitShown("market/0")) << Seen();
  Top().Type(" ");
  EXPECT_TRUE(WaitShown("paused")) << Seen();
  Top().Type(" ");
  EXPECT_TRUE(WaitGone("paused")) << Seen();
  Top().Type(kCtrlC);
  ExpectLeft();
}

TEST_F(TopTest, AWindowMayBecomeSmallAndLarge) {
  fleet_.MustStart("games", SmallSpec(2));
  ASSERT_TRUE(WaitShown("games/1")) << Seen();
  Top().Resize(40, 12);
  EXPECT_TRUE(WaitGone("JOURNAL")) << Seen();
  EXPECT_TRUE(WaitShown("games/1")) << Seen();
  EXPECT_TRUE(Top().WaitUntil([&] { return absl::StartsWith(Top().screen().Row(11), "q quit"); }));
  // What was on its way for the wider window.
  const size_t wraps = Top().screen().wraps();
  Top().Resize(160, 50);
  EXPECT_TRUE(WaitShown("JOURNAL")) << Seen();
  EXPECT_TRUE(Top().WaitUntil([&] { return absl::StrContains(Top().screen().Row(49), "q quit"); }));
  Top().Type("q");
  ExpectLeft(wraps);
}

TEST_F(TopTest, KeysWorkWhileTheCoordinatorDoesNotAnswer) {
  fleet_.MustStart("games");
  ASSERT_TRUE(WaitShown("games/0")) << Seen();
  const pid_t coordinator = CoordinatorPid();
  ASSERT_EQ(kill(coordinator, SIGSTOP), 0);
  Top().Type("?");
  EXPECT_TRUE(WaitShown("this help")) << Seen();
  Top().Type("x");
  EXPECT_TRUE(WaitShown("waiting for the coordinator")) << Seen();
  Top().Type("/gam");
  EXPECT_TRUE(WaitShown("filter: gam_")) << Seen();
  Top().Type(absl::StrCat(kEnter, "q"));
  ExpectLeft();
  EXPECT_EQ(kill(coordinator, SIGCONT), 0);
}

TEST_F(TopTest, ACoordinatorThatIsAwayIsWaitedFor) {
  fleet_.MustStart("games");
  ASSERT_TRUE(WaitShown("games/0")) << Seen();
  fleet_.KillCoordinator();
  EXPECT_TRUE(WaitShown("as of ")) << Seen();
  EXPECT_THAT(Seen(), HasSubstr("games/0"));
  fleet_.Start();
  EXPECT_TRUE(WaitGone("as of ")) << Seen();
  EXPECT_TRUE(WaitShown("coordinator-started")) << Seen();
  Top().Type("q");
  ExpectLeft();
}

TEST_F(TopTest, CtrlZGivesTheTerminalBackUntilItGoesOn) {
  fleet_.MustStart("games");
  ASSERT_TRUE(WaitShown("games/0")) << Seen();
  Top().Signal(SIGTSTP);
  EXPECT_TRUE(Top().WaitUntil([&] { return !Top().screen().second(); }));
  EXPECT_TRUE(Top().WaitUntil([&] { return Top().SettingsRestored(); }));
  // It goes on as often as it takes: it may not have stopped yet.
  EXPECT_TRUE(Top().WaitUntil([&] {
    Top().Signal(SIGCONT);
    return Top().screen().second();
  }));
  EXPECT_TRUE(WaitShown("games/0")) << Seen();
  Top().Type("q");
  ExpectLeft();
}

TEST_F(TopTest, AJobIsShownWithItsProgress) {
  fleet_.MustStart("pool");
  ASSERT_EQ(fleet_
                .Ctl({"job", "submit", "sleep", "--server", "pool", "--range", "60000:60001",
                      "--detach", "--quiet"})
                .exit_code,
            0);
  ASSERT_TRUE(WaitShown("RUNNING")) << Seen();
  EXPECT_TRUE(WaitShown("sleep")) << Seen();
  EXPECT_TRUE(WaitShown("0%")) << Seen();
  Top().Type("q");
  ExpectLeft();
}

TEST_F(TopTest, OffATerminalItIsPrintedOnce) {
  fleet_.MustStart("games", SmallSpec(2));
  const RunResult result = fleet_.Ctl({"top", "--interval", "100ms"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("Center "));
  EXPECT_THAT(result.out, AllOf(HasSubstr("games/1"), HasSubstr("worker-ready"),
                                Not(HasSubstr("\x1b")), Not(HasSubstr("q quit"))));
  EXPECT_EQ(fleet_.Ctl({"top", "--once", "--filter", "nobody"}).exit_code, 0);
  EXPECT_EQ(fleet_.Ctl({"top", "-o", "json"}).exit_code, 2);
  EXPECT_EQ(fleet_.Ctl({"top", "--interval", "1ms"}).exit_code, 2);
}

TEST_F(TopTest, WithoutACoordinatorItSaysSoAndLeavesTheTerminalAlone) {
  fleet_.Stop();
  EXPECT_EQ(WEXITSTATUS(Top().Wait().value_or(-1)), 3) << Seen();
  EXPECT_THAT(Seen(), HasSubstr("coordinator start"));
  EXPECT_TRUE(Top().SettingsRestored());
  EXPECT_FALSE(Top().screen().second());
  EXPECT_EQ(fleet_.Ctl({"top"}).exit_code, 3);
}

}  // namespace
}  // namespace center::itest
