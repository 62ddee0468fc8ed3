// Exit codes, and what a person reads when something failed.
#include "cli/errors.h"

#include "services/common/fd.h"
#include "services/common/net_address.h"
#include "services/common/rpc/status.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kAddress[] = "127.0.0.1:7070";

TEST(ErrorsTest, EachKindOfFailureHasItsExitCode) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("x")), 1);
  EXPECT_EQ(ExitCodeOf(UsageError("x")), 2);
  EXPECT_EQ(ExitCodeOf(NotRunningError("x")), 3);
  EXPECT_EQ(ExitCodeOf(QuietExit(0)), 0);
  EXPECT_EQ(ExitCodeOf(QuietExit(130)), 130);
}

TEST(ErrorsTest, EveryRpcCodeIs64PlusCode) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status =
        rpc::WithReason(absl::Status(static_cast<absl::StatusCode>(code), "x"), "SOME_REASON");
    EXPECT_EQ(ExitCodeOf(FromRpc(status, kAddress)), 64 + code);
  }
  EXPECT_TRUE(FromRpc(absl::OkStatus(), kAddress).ok());
}

TEST(ErrorsTest, NobodyAnsweringIsNotRunning) {
  const absl::Status status = FromRpc(absl::UnavailableError("connect failed"), kAddress);
  EXPECT_EQ(ExitCodeOf(status), kExitNotRunning);
  EXPECT_THAT(Explain(status), AllOf(HasSubstr(kAddress), HasSubstr("centerctl coordinator start"),
                                     Not(HasSubstr("connect failed"))));
}

TEST(ErrorsTest, UnavailableFromTheCoordinatorItselfIsAnRpcStatus) {
  const absl::Status status = FromRpc(
      rpc::WithReason(absl::UnavailableError("going away"), "COORDINATOR_STOPPING"), kAddress);
  EXPECT_EQ(ExitCodeOf(status), 64 + 14);
  EXPECT_THAT(Explain(status), HasSubstr("going away"));
}

TEST(ErrorsTest, AStoppedServerIsNotRunning) {
  const absl::Status status = FromRpc(
      rpc::WithReason(absl::FailedPreconditionError("server games is stopped"), "SERVER_STOPPED"),
      kAddress);
  EXPECT_EQ(ExitCodeOf(status), kExitNotRunning);
  EXPECT_THAT(Explain(status), AllOf(HasSubstr("server games is stopped"),
                                     HasSubstr("\n  `centerctl server start")));
}

TEST(ErrorsTest, EveryReasonWithAnObviousAnswerHasOne) {
  for (const char* reason :
       {"SERVER_NOT_FOUND", "WORKER_NOT_FOUND", "SERVER_STOPPED", "SERVER_RUNNING", "PORT_IN_USE",
        "PORT_NOT_PERMITTED", "HOST_NOT_FOUND", "START_FAILED", "WORKER_UNAVAILABLE",
        "SUBSCRIBER_LIMIT"}) {
    const std::string text =
        Explain(FromRpc(rpc::WithReason(absl::InternalError("what happened"), reason), kAddress));
    EXPECT_THAT(SplitLines(text), testing::SizeIs(2)) << reason;
    EXPECT_THAT(text, HasSubstr("what happened\n  ")) << reason;
  }
}

TEST(ErrorsTest, AViolationNamesTheFieldAndWhatWouldBeRight) {
  const absl::Status status =
      FromRpc(rpc::FromGrpc(rpc::ToGrpc(rpc::InvalidFields(
                  {{"spec.port", "must be at most 65535"}, {"name", "must begin with a letter"}}))),
              kAddress);
  EXPECT_EQ(ExitCodeOf(status), 64 + 3);
  EXPECT_THAT(Explain(status), AllOf(HasSubstr("spec.port: must be at most 65535"),
                                     HasSubstr("name: must begin with a letter")));
}

TEST(ErrorsTest, ACallThatTookTooLongNamesTheAddressAndTheFlag) {
  const absl::Status status = FromRpc(absl::DeadlineExceededError("Deadline Exceeded"), kAddress);
  EXPECT_EQ(ExitCodeOf(status), 64 + 4);
  EXPECT_THAT(Explain(status), AllOf(HasSubstr(kAddress), HasSubstr("--timeout")));
}

TEST(ErrorsTest, SomethingElseListeningThereIsSaid) {
  const absl::Status status = FromRpc(absl::UnimplementedError("no such method"), kAddress);
  EXPECT_EQ(ExitCodeOf(status), 64 + 12);
  EXPECT_THAT(Explain(status), AllOf(HasSubstr(kAddress), HasSubstr("does not know this call")));
}

TEST(ErrorsTest, AQuietExitSaysNothing) {
  EXPECT_EQ(Explain(QuietExit(1)), "");
  EXPECT_EQ(Explain(absl::OkStatus()), "");
}

TEST(ErrorsTest, AHintIsALineOfItsOwn) {
  EXPECT_EQ(Explain(WithHint(absl::InternalError("it broke"), "Mend it.")), "it broke\n  Mend it.");
  EXPECT_EQ(Explain(WithHint(absl::InternalError("it broke"), "")), "it broke");
  EXPECT_TRUE(WithHint(absl::OkStatus(), "Mend it.").ok());
}

TEST(ErrorsTest, WhatAMessageQuotesCannotReachTheTerminalAsACommand) {
  EXPECT_EQ(Explain(absl::InternalError("bad \x1b[2J\x07 name\nsecond line")),
            "bad \\x1b[2J\\x07 name\nsecond line");
}

// ---- Through a whole command ------------------------------------------------------------------

class ErrorsCommandTest : public CliTest {
 protected:
  ErrorsCommandTest() : coordinator_(dir_.path()) {}
  CliResult RunHere(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    return Run(std::move(args));
  }
  FakeCoordinator coordinator_;
};

TEST_F(ErrorsCommandTest, AnAnswerWithAReasonSaysWhatWhereAndWhatToDo) {
  const CliResult result = RunHere({"server", "status", "games"});
  EXPECT_EQ(result.exit_code, 64 + 5);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_EQ(result.err,
            "centerctl: there is no server games\n"
            "  `centerctl server list` shows what there is; `centerctl server start NAME` starts "
            "one.\n");
}

TEST_F(ErrorsCommandTest, EveryCommandPassesTheCoordinatorsStatusOn) {
  coordinator_.servers.failure =
      rpc::WithReason(absl::PermissionDeniedError("not for you"), "SOME_REASON");
  coordinator_.servers.servers.emplace_back().set_name("default");
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"server", "list"}, std::vector<std::string>{"server", "status"},
        std::vector<std::string>{"server", "params"}, std::vector<std::string>{"server", "start"},
        std::vector<std::string>{"server", "stop"}, std::vector<std::string>{"worker", "list"},
        std::vector<std::string>{"coordinator", "status"},
        std::vector<std::string>{"coordinator", "stop"},
        std::vector<std::string>{"send", "default"}}) {
    const CliResult result = RunHere(args);
    EXPECT_EQ(result.exit_code, 64 + 7) << testing::PrintToString(args);
    EXPECT_EQ(result.err, "centerctl: not for you\n") << testing::PrintToString(args);
  }
}

TEST_F(ErrorsCommandTest, ASilentCoordinatorIsGivenUpAfterTheTimeout) {
  coordinator_.servers.hangs = true;
  const CliResult result = RunHere({"--timeout", "50ms", "server", "list"});
  EXPECT_EQ(result.exit_code, 64 + 4);
  EXPECT_THAT(result.err, AllOf(HasSubstr("did not answer in time"), HasSubstr("--timeout")));
}

TEST_F(ErrorsCommandTest, ATimeoutOfAnyLengthIsNotOverAtOnce) {
  for (const char* timeout : {"0", "2000000h", "999999999h"}) {
    EXPECT_EQ(RunHere({"--timeout", timeout, "server", "list"}).exit_code, 0) << timeout;
  }
}

TEST_F(ErrorsCommandTest, NoCoordinatorIsExitCodeThreeForEveryCommandThatAsksIt) {
  coordinator_.Down();
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"server", "list"}, std::vector<std::string>{"server", "stop"},
        std::vector<std::string>{"worker", "list"}, std::vector<std::string>{"tail"},
        std::vector<std::string>{"tail", "--no-follow"}, std::vector<std::string>{"events"},
        std::vector<std::string>{"events", "--follow"}, std::vector<std::string>{"send", "default"},
        std::vector<std::string>{"coordinator", "status"},
        std::vector<std::string>{"coordinator", "stop"},
        std::vector<std::string>{"bench", "ingest"}}) {
    const CliResult result = RunHere(args);
    EXPECT_EQ(result.exit_code, kExitNotRunning) << testing::PrintToString(args) << result.err;
    EXPECT_THAT(result.err, HasSubstr("centerctl coordinator start"))
        << testing::PrintToString(args);
  }
}

TEST_F(ErrorsCommandTest, ACoordinatorThatNobodyCouldFindIsNotStarted) {
  const CliResult result = Run({"coordinator", "start", "--listen", "127.0.0.1:0"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, AllOf(HasSubstr("--listen 127.0.0.1:0"), HasSubstr("unix:/path")));
}

TEST_F(ErrorsCommandTest, StatusOfAStoppedOrFailedServerIsShownAndExitsWithThree) {
  v1::Server& server = coordinator_.servers.servers.emplace_back();
  server.set_name("games");
  for (const auto& [state, exit_code] :
       {std::pair{v1::SERVER_STATE_RUNNING, 0}, std::pair{v1::SERVER_STATE_DEGRADED, 0},
        std::pair{v1::SERVER_STATE_STOPPED, 3}, std::pair{v1::SERVER_STATE_FAILED, 3}}) {
    server.set_state(state);
    const CliResult result = RunHere({"server", "status", "games"});
    EXPECT_EQ(result.exit_code, exit_code);
    EXPECT_THAT(result.out, HasSubstr("games"));
  }
}

TEST_F(ErrorsCommandTest, AFormatThatACommandDoesNotHaveIsRefusedWithThoseItHas) {
  const CliResult tail = RunHere({"tail", "-o", "yaml"});
  EXPECT_EQ(tail.exit_code, kExitUsage);
  EXPECT_THAT(tail.err, HasSubstr("does not print -o yaml, but pretty, raw, json"));
  const CliResult repair = RunHere({"journal", "repair", dir_.path(), "-o", "json"});
  EXPECT_EQ(repair.exit_code, kExitUsage);
  EXPECT_THAT(repair.err, HasSubstr("this command prints no data: leave out -o"));
}

class SilentCoordinatorTest : public CliTest {};

TEST_F(SilentCoordinatorTest, OneThatIsThereButBusyIsNotAbsent) {
  const auto listener = ListenTcp("127.0.0.1", 0, 16);  // connects, and greets nobody
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto port = LocalPort(listener->get());
  ASSERT_TRUE(port.ok()) << port.status();
  const CliResult result = Run(
      {"--address", absl::StrCat("127.0.0.1:", *port), "--timeout", "2500ms", "server", "list"});
  EXPECT_EQ(result.exit_code, 64 + 4);
  EXPECT_THAT(result.err, testing::HasSubstr("did not answer in time"));
}

}  // namespace
}  // namespace center::cli
