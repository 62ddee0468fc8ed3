// `server restart|scale` and `worker restart`.
#include "cli/server_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ServerChangeTest : public CliTest {
 protected:
  ServerChangeTest() : coordinator_(dir_.path()) {
    for (const char* name : {"default", "games"}) {
      v1::Server& server = coordinator_.servers.servers.emplace_back();
      server.set_name(name);
      server.set_state(v1::SERVER_STATE_RUNNING);
      server.mutable_spec()->set_workers(2);
    }
  }
  CliResult Do(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    return Run(std::move(args));
  }

  FakeCoordinator coordinator_;
};

TEST_F(ServerChangeTest, RestartAsksAndSaysHowManyWereReplaced) {
  const CliResult result = Do({"server", "restart"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, HasSubstr("server default restarted: 2 workers, one by one"));
  EXPECT_EQ(coordinator_.servers.restarted.name(), "default");
  EXPECT_FALSE(coordinator_.servers.restarted.now());
  EXPECT_FALSE(coordinator_.servers.restarted.only_outdated());
  EXPECT_THAT(coordinator_.servers.restarted.request_id(), Not(IsEmpty()));
}

TEST_F(ServerChangeTest, RestartTakesItsFlags) {
  EXPECT_EQ(Do({"server", "restart", "games", "--now", "--only-outdated", "-o", "name"}).out,
            "games\n");
  EXPECT_TRUE(coordinator_.servers.restarted.now());
  EXPECT_TRUE(coordinator_.servers.restarted.only_outdated());
}

TEST_F(ServerChangeTest, ARollThatFailsExitsWithItsStatusAndAHint) {
  coordinator_.servers.change_failure =
      rpc::WithReason(absl::AbortedError("worker default/0 did not become READY"), "ROLL_FAILED");
  const CliResult result = Do({"server", "restart"});
  EXPECT_EQ(result.exit_code, 64 + 10);
  EXPECT_THAT(result.err, AllOf(HasSubstr("default/0 did not become READY"),
                                HasSubstr("--only-outdated` goes on")));
}

TEST_F(ServerChangeTest, ScaleTakesANumberAndPerhapsAName) {
  EXPECT_THAT(Do({"server", "scale", "4"}).err,
              HasSubstr("server default scaled from 2 to 4 workers"));
  EXPECT_EQ(coordinator_.servers.scaled.name(), "default");
  EXPECT_EQ(coordinator_.servers.scaled.workers(), 4u);
  EXPECT_FALSE(coordinator_.servers.scaled.now());
  EXPECT_EQ(Do({"server", "scale", "games", "1", "--now"}).exit_code, 0);
  EXPECT_EQ(coordinator_.servers.scaled.name(), "games");
  EXPECT_EQ(coordinator_.servers.scaled.workers(), 1u);
  EXPECT_TRUE(coordinator_.servers.scaled.now());
  EXPECT_THAT(Do({"server", "scale", "2"}).err, HasSubstr("has 2 workers already"));
}

TEST_F(ServerChangeTest, ScaleRefusesWhatIsNoNumberOfWorkers) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"games"},
                                                {"0"},
                                                {"257"},
                                                {"-1"},
                                                {"2", "games"},
                                                {"1", "2", "3"},
                                                {"Games", "2"},
                                                {}}) {
    std::vector<std::string> args = {"server", "scale"};
    args.insert(args.end(), words.begin(), words.end());
    EXPECT_EQ(Do(args).exit_code, 2) << testing::PrintToString(words);
  }
  EXPECT_EQ(coordinator_.servers.scaled.workers(), 0u);
}

TEST_F(ServerChangeTest, WorkerRestartNamesTheNewProcess) {
  const CliResult result = Do({"worker", "restart", "games/1", "--now"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("worker games/1 restarted: process 4711"));
  EXPECT_EQ(coordinator_.servers.worker_restarted.name(), "games/1");
  EXPECT_TRUE(coordinator_.servers.worker_restarted.now());
  EXPECT_THAT(coordinator_.servers.worker_restarted.request_id(), Not(IsEmpty()));
  EXPECT_THAT(Do({"worker", "restart", "games/1", "-o", "json"}).out, HasSubstr("\"pid\": 4711"));
}

TEST_F(ServerChangeTest, WorkerRestartRefusesANameWithoutASlot) {
  EXPECT_EQ(Do({"worker", "restart", "games"}).exit_code, 2);
  EXPECT_EQ(Do({"worker", "restart"}).exit_code, 2);
}

TEST_F(ServerChangeTest, ATerminalSeesHowFarItIs) {
  coordinator_.servers.servers[0].set_detail("1 of 2 workers are replaced");
  Terminal terminal;
  Context context(Globals{.address = coordinator_.address()}, Deps(0, out_.fd(), terminal.fd()));
  std::string seen;
  WithServerProgress(context, "default", [&] {
    EXPECT_TRUE(Eventually([&] {
      seen += terminal.Read();
      return seen.find("default: 0/2 ready; 1 of 2 workers are replaced") != std::string::npos;
    })) << seen;
  });
}

}  // namespace
}  // namespace center::cli
