// --dry-run, the question before what destroys, and names that were meant.
#include "cli/consent.h"

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ConsentTest : public CliTest {
 protected:
  ConsentTest() : coordinator_(dir_.path()) {
    v1::Server& server = coordinator_.servers.servers.emplace_back();
    server.set_name("default");
    server.set_state(v1::SERVER_STATE_RUNNING);
    server.mutable_spec()->set_workers(2);
    for (int slot = 0; slot < 2; ++slot) {
      v1::Worker& worker = *server.add_workers();
      worker.set_name(absl::StrCat("default/", slot));
      worker.set_pid(100 + slot);
      worker.mutable_stats()->set_connections(2);
    }
  }
  CliResult Do(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    return Run(std::move(args));
  }
  // What Confirm says when somebody types this on the terminal that it runs on.
  absl::Status Ask(const std::string& typed, Globals globals = {}) {
    terminal_.Type(typed);
    Context context(std::move(globals), Deps(terminal_.fd(), out_.fd(), terminal_.fd()));
    return Confirm(context, "All would be lost");
  }

  Terminal terminal_;
  FakeCoordinator coordinator_;
};

TEST_F(ConsentTest, ADryRunSaysWhatWouldBeDoneAndDoesNothing) {
  EXPECT_EQ(Do({"server", "stop", "--dry-run"}).out,
            "would stop server default: end 2 workers and let finish 4 open connections\n");
  EXPECT_EQ(Do({"server", "stop", "--now", "--dry-run"}).out,
            "would stop server default: end 2 workers and cut 4 open connections\n");
  EXPECT_EQ(Do({"server", "restart", "--dry-run"}).out,
            "would replace worker default/0, process 100\n"
            "would replace worker default/1, process 101\n");
  EXPECT_EQ(Do({"server", "scale", "3", "--dry-run"}).out, "would start worker default/2\n");
  EXPECT_EQ(Do({"server", "scale", "1", "--dry-run"}).out,
            "would end worker default/1; its journal stays\n");
  EXPECT_EQ(Do({"worker", "restart", "default/1", "--dry-run"}).out,
            "would replace worker default/1, process 101\n");
  EXPECT_EQ(Do({"server", "start", "games", "-p", "5001", "-n", "3", "--dry-run"}).out,
            "would start a new server games at 127.0.0.1:5001 with 3 workers\n");
  EXPECT_EQ(coordinator_.servers.stopped.name(), "");
  EXPECT_EQ(coordinator_.servers.started.name(), "");
  EXPECT_EQ(coordinator_.servers.restarted.name(), "");
  EXPECT_EQ(coordinator_.servers.scaled.workers(), 0u);
  EXPECT_EQ(coordinator_.servers.worker_restarted.name(), "");
}

TEST_F(ConsentTest, ADryRunOfWhatCannotBeDoneFails) {
  EXPECT_EQ(Do({"server", "start", "--dry-run"}).exit_code, kExitFailure) << "it runs";
  EXPECT_EQ(Do({"worker", "restart", "default/7", "--dry-run"}).exit_code, kExitFailure);
  EXPECT_EQ(Do({"server", "stop", "games", "--dry-run"}).exit_code, kExitRpcBase + 5);
  coordinator_.servers.servers[0].set_state(v1::SERVER_STATE_STOPPED);
  EXPECT_EQ(Do({"server", "stop", "--dry-run"}).exit_code, kExitNotRunning);
  EXPECT_EQ(Do({"server", "restart", "--dry-run"}).exit_code, kExitNotRunning);
}

TEST_F(ConsentTest, ADryRunCanBeReadByPrograms) {
  EXPECT_THAT(Do({"server", "scale", "1", "--dry-run", "-o", "json"}).out,
              AllOf(HasSubstr("\"dryRun\": true"),
                    HasSubstr("\"end worker default/1; its journal stays\"")));
}

TEST_F(ConsentTest, OnATerminalItIsAskedUnlessYesIsSaid) {
  EXPECT_TRUE(Ask("y\n").ok());
  EXPECT_THAT(terminal_.Read(), HasSubstr("All would be lost. Go on? [y/N]"));
  EXPECT_TRUE(Ask("YES\n").ok());
  for (const char* no : {"n\n", "\n", "yesterday\n"}) {
    const absl::Status refused = Ask(no);
    EXPECT_TRUE(absl::IsAborted(refused)) << no << refused;
    EXPECT_THAT(refused.message(), HasSubstr("nothing was done"));
  }
  terminal_.Read();
  EXPECT_TRUE(Ask("", {.yes = true}).ok());
  EXPECT_THAT(terminal_.Read(), IsEmpty());
}

TEST_F(ConsentTest, NothingIsAskedOffATerminal) {
  const CliResult result = Do({"server", "stop", "--now"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(coordinator_.servers.stopped.now());
  EXPECT_THAT(result.err, Not(HasSubstr("Go on?")));
}

TEST_F(ConsentTest, ANameThatIsNearlyRightIsNamed) {
  const CliResult result = Do({"server", "status", "defualt"});
  EXPECT_EQ(result.exit_code, kExitRpcBase + 5);
  EXPECT_THAT(result.err, HasSubstr("Did you mean default?"));
  EXPECT_THAT(Do({"server", "status", "elsewhere"}).err, Not(HasSubstr("Did you mean")));
}

}  // namespace
}  // namespace center::cli
