// `server params`: showing settings and changing them; and the flags that they come from.
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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ServerParamsTest : public CliTest {
 protected:
  ServerParamsTest() : coordinator_(dir_.path()) {
    v1::Server& server = coordinator_.servers.servers.emplace_back();
    server.set_name("default");
    server.mutable_spec()->set_workers(2);
  }
  CliResult Do(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address(), "server"});
    return Run(std::move(args));
  }
  void Answer(const std::string& field, v1::ChangeEffect effect) {
    v1::SettingChange& change = coordinator_.servers.changes.emplace_back();
    change.set_field(field);
    change.set_before("1s");
    change.set_after("5s");
    change.set_effect(effect);
  }
  const v1::UpdateServerRequest& Last() {
    return coordinator_.servers.updates.at(coordinator_.servers.updates.size() - 1);
  }

  FakeCoordinator coordinator_;
};

TEST_F(ServerParamsTest, SetShowsWhatChangesAndDoesIt) {
  Answer("idle_timeout", v1::CHANGE_EFFECT_ROLLING_RESTART);
  Answer("restart", v1::CHANGE_EFFECT_IMMEDIATE);
  const CliResult result =
      Do({"params", "--set", "idle-timeout=5s", "--set", "restart=on-failure"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("SETTING"), HasSubstr("idle-timeout  1s      5s"),
                                HasSubstr("rolling restart"), HasSubstr("at once")));
  EXPECT_THAT(result.err, AllOf(HasSubstr("replacing the workers of server default, one by one"),
                                HasSubstr("workers replaced: 2")));
  ASSERT_EQ(coordinator_.servers.updates.size(), 2u);
  EXPECT_TRUE(coordinator_.servers.updates[0].dry_run());
  EXPECT_FALSE(Last().dry_run());
  EXPECT_EQ(Last().spec().idle_timeout().seconds(), 5);
  EXPECT_EQ(Last().spec().restart(), v1::RESTART_POLICY_ON_FAILURE);
  EXPECT_EQ(Last().roll(), v1::UpdateServerRequest::ROLL_NOW);
  EXPECT_THAT(Last().request_id(), Not(IsEmpty()));
}

TEST_F(ServerParamsTest, ADryRunOnlyShows) {
  Answer("host", v1::CHANGE_EFFECT_NEEDS_STOP);
  const CliResult result = Do({"params", "--set", "host=::1", "--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("needs a stop"));
  ASSERT_EQ(coordinator_.servers.updates.size(), 1u);
  EXPECT_TRUE(Last().dry_run());
}

TEST_F(ServerParamsTest, NoRollLeavesTheWorkers) {
  Answer("banner", v1::CHANGE_EFFECT_ROLLING_RESTART);
  const CliResult result = Do({"params", "--set", "banner=hello, you=there", "--no-roll"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Last().roll(), v1::UpdateServerRequest::ROLL_LATER);
  EXPECT_EQ(Last().spec().banner(), "hello, you=there");
  EXPECT_THAT(result.err, Not(HasSubstr("replac")));
}

TEST_F(ServerParamsTest, NothingToChangeIsSaidAndNotDone) {
  const CliResult result = Do({"params", "--set", "workers=2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("nothing changes"));
  EXPECT_EQ(coordinator_.servers.updates.size(), 1u);
}

TEST_F(ServerParamsTest, ZeroIsAResetWhereItIsTheDefault) {
  Do({"params", "--set", "idle-timeout=0s", "--set", "max-connections-per-peer=0", "--set",
      "port=0", "--set", "banner="});
  EXPECT_THAT(Last().reset(), ElementsAre("idle_timeout", "max_connections_per_peer"));
  EXPECT_FALSE(Last().spec().has_idle_timeout());
  EXPECT_TRUE(Last().spec().has_port());
  EXPECT_TRUE(Last().spec().has_banner());
}

TEST_F(ServerParamsTest, ResetNamesFields) {
  Do({"params", "--reset", "idle-timeout", "--reset", "task-module"});
  EXPECT_THAT(Last().reset(), ElementsAre("idle_timeout", "task_modules"));
}

TEST_F(ServerParamsTest, SettingsOfProcesses) {
  Do({"params", "--set", "no-listen=true", "--set", "task-module=/a.so", "--set",
      "task-module=/b.so", "--set", "compute-threads=3", "--set", "cancel-grace=2s"});
  EXPECT_TRUE(Last().spec().no_listen());
  EXPECT_THAT(Last().spec().task_modules().paths(), ElementsAre("/a.so", "/b.so"));
  EXPECT_EQ(Last().spec().compute_threads(), 3u);
  EXPECT_EQ(Last().spec().cancel_grace().seconds(), 2);
}

TEST_F(ServerParamsTest, WhatIsMalformedIsAUsageErrorAndAsksNobody) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--set", "idle-timeout"},
                                                {"--set", "colour=red"},
                                                {"--set", "workers=many"},
                                                {"--set", "frame-timeout=0s"},
                                                {"--set", "no-listen=perhaps"},
                                                {"--set", "task-module=a.so"},
                                                {"--reset", "colour"},
                                                {"--dry-run"},
                                                {"--no-roll"},
                                                {"--set", "=1"},
                                                {"--set", "workers="},
                                                {"--set", "help=1"}}) {
    std::vector<std::string> args = {"params"};
    args.insert(args.end(), words.begin(), words.end());
    const CliResult result = Do(args);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(words) << result.err;
  }
  EXPECT_THAT(coordinator_.servers.updates, IsEmpty());
  EXPECT_THAT(Do({"params", "--set", "colour=red"}).err,
              AllOf(HasSubstr("there is no setting 'colour'"), HasSubstr("idle-timeout")));
}

TEST_F(ServerParamsTest, JsonIsTheAnswer) {
  Answer("idle_timeout", v1::CHANGE_EFFECT_ROLLING_RESTART);
  const CliResult result = Do({"params", "--set", "idle-timeout=5s", "-o", "json"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("\"changes\""), HasSubstr("\"restarted\": 2"),
                                Not(HasSubstr("SETTING"))));
}

TEST_F(ServerParamsTest, AChangeThatNeedsAStopSaysHow) {
  Answer("host", v1::CHANGE_EFFECT_NEEDS_STOP);
  coordinator_.servers.change_failure = rpc::WithReason(
      absl::FailedPreconditionError("a running server cannot change its host"), "NEEDS_STOP");
  const CliResult result = Do({"params", "--set", "host=::1"});
  EXPECT_EQ(result.exit_code, 64 + 9);
  EXPECT_THAT(result.err, HasSubstr("centerctl server stop NAME"));
}

TEST_F(ServerParamsTest, StartTakesTheSameSettings) {
  const CliResult result =
      Do({"start", "--restart", "never", "--start-timeout", "3s", "--liveness-timeout", "2s",
          "--orphan-timeout", "1m", "--no-listen", "--compute-threads", "2", "--task-module",
          "/a.so", "--task-module", "/b.so", "--cancel-grace", "5s"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const v1::ServerSpec& spec = coordinator_.servers.started.spec();
  EXPECT_EQ(spec.restart(), v1::RESTART_POLICY_NEVER);
  EXPECT_EQ(spec.start_timeout().seconds(), 3);
  EXPECT_EQ(spec.liveness_timeout().seconds(), 2);
  EXPECT_EQ(spec.orphan_timeout().seconds(), 60);
  EXPECT_TRUE(spec.no_listen());
  EXPECT_EQ(spec.compute_threads(), 2u);
  EXPECT_THAT(spec.task_modules().paths(), ElementsAre("/a.so", "/b.so"));
  EXPECT_EQ(spec.cancel_grace().seconds(), 5);
}

TEST_F(ServerParamsTest, StartSetsOnlyWhatIsGiven) {
  EXPECT_EQ(Do({"start"}).exit_code, 0);
  EXPECT_EQ(coordinator_.servers.started.spec().ByteSizeLong(), 0u);
}

}  // namespace
}  // namespace center::cli
