// A fleet that is described by a file: applied, exported, and read by the coordinator itself.
#include <csignal>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"

namespace center::itest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kTwoServers[] = R"(
[servers.default]
port = 0
workers = 2
idle-timeout = "30s"

[pools.compute]
workers = 1
)";

TEST(ApplyTest, OnlyWhatDiffersIsDone) {
  Fleet fleet;
  RunResult result = fleet.Ctl({"apply", "-f", "-", "--dry-run"}, kTwoServers);
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("+ server default: start at 127.0.0.1:any with 2"),
                                HasSubstr("+ server compute: start a pool with 1 worker")));
  EXPECT_FALSE(fleet.GetServer("default").ok());

  result = fleet.Ctl({"apply", "-f", "-"}, kTwoServers);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  ASSERT_TRUE(fleet.WaitReady("default"));
  const pid_t first = fleet.WorkerPid("default", 0);
  result = fleet.Ctl({"apply", "-f", "-"}, kTwoServers);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("nothing differs"));
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_EQ(fleet.WorkerPid("default", 0), first);

  // One worker more does not touch those that are there.
  result = fleet.Ctl({"apply", "-f", "-"},
                     "[servers.default]\nport = 0\nworkers = 3\nidle-timeout = \"30s\"\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "~ server default: workers 2 -> 3 (workers come or go)\n");
  EXPECT_EQ(fleet.WorkerPid("default", 0), first);
  EXPECT_EQ(fleet.GetServer("compute")->state(), v1::SERVER_STATE_RUNNING) << "left alone";

  // What is left out has its default, which here needs new processes.
  result = fleet.Ctl({"apply", "-f", "-", "--prune"}, "[servers.default]\nport = 0\nworkers = 3\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("~ server default: idle-timeout 30s -> 0s (rolling restart)"));
  EXPECT_NE(fleet.WorkerPid("default", 0), first);
  EXPECT_EQ(fleet.GetServer("compute")->state(), v1::SERVER_STATE_STOPPED) << "pruned";
}

TEST(ApplyTest, ClientsComeAfterTheirServersAndGoBeforeThem) {
  Fleet fleet;
  const std::string servers = "[servers.default]\nport = 0\n";
  const std::string client = "[clients.load]\nrate = 50\n";
  RunResult result = fleet.Ctl({"apply", "-f", "-"}, client + servers);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("+ client load: start"));
  EXPECT_EQ(fleet.Ctl({"client", "status", "load"}).exit_code, 0);
  result = fleet.Ctl({"apply", "-f", "-"}, servers + client + "count = 1000000\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "~ client load: count 0 -> 1000000 (stop and start)\n");
  const RunResult exported = fleet.Ctl({"export"});
  EXPECT_THAT(exported.out,
              HasSubstr("[clients.load]\nserver = \"default\"\nrate = 50\ncount = 1000000\n"));
  EXPECT_EQ(fleet.Ctl({"apply", "-f", "-", "--dry-run", "--prune"}, exported.out).exit_code, 0);
  // What the file does not say any more has its default again.
  result = fleet.Ctl({"apply", "-f", "-"}, servers + "[clients.load]\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "~ client load: rate 50 -> interval 5s (stop and start)\n"
            "~ client load: count 1000000 -> 0 (stop and start)\n");
  result = fleet.Ctl({"apply", "-f", "-", "--prune", "--yes"}, "");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("- client load: stop (not in the file)\n"));
  EXPECT_EQ(fleet.Ctl({"client", "status", "load"}).exit_code, 3);
}

TEST(ApplyTest, ANewHostIsAStopAndAStart) {
  Fleet fleet;
  ASSERT_EQ(fleet.Ctl({"apply", "-f", "-"}, "[servers.a]\nport = 0\n").exit_code, 0);
  const RunResult result =
      fleet.Ctl({"apply", "-f", "-"}, "[servers.a]\nport = 0\nhost = \"127.0.0.2\"\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "~ server a: host 127.0.0.1 -> 127.0.0.2 (stop and start)\n");
  EXPECT_THAT(fleet.GetServer("a")->address(), HasSubstr("127.0.0.2:"));
}

TEST(ApplyTest, WhatIsExportedIsAppliedWithoutADifference) {
  Fleet fleet;
  ASSERT_EQ(fleet.Ctl({"apply", "-f", "-"}, kTwoServers).exit_code, 0);
  ASSERT_EQ(fleet
                .Ctl({"server", "start", "odd", "-p", "0", "--framing", "octet", "--banner",
                      "he said \"hi\"\n", "--retain-bytes", "128MiB", "--max-connections", "7"})
                .exit_code,
            0);
  ASSERT_EQ(fleet.Ctl({"server", "start", "idle", "-p", "0"}).exit_code, 0);
  ASSERT_EQ(fleet.Ctl({"server", "stop", "idle"}).exit_code, 0);
  const RunResult exported = fleet.Ctl({"export"});
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  EXPECT_THAT(exported.out,
              AllOf(HasSubstr("[pools.compute]\nworkers = 1\n"), HasSubstr("framing = \"octet\""),
                    HasSubstr("banner = \"he said \\\"hi\\\"\\n\""),
                    HasSubstr("[servers.idle]\nstate = \"stopped\""),
                    HasSubstr("idle-timeout = \"30s\""), Not(HasSubstr("segment-bytes"))));
  const RunResult again = fleet.Ctl({"apply", "-f", "-", "--dry-run", "--prune"}, exported.out);
  EXPECT_EQ(again.exit_code, 0) << again.out << again.err;
  // The oracle sees a difference where there is one.
  ASSERT_EQ(fleet.Ctl({"server", "params", "odd", "--set", "max-connections=8"}).exit_code, 0);
  EXPECT_EQ(fleet.Ctl({"apply", "-f", "-", "--dry-run"}, exported.out).exit_code, 1);
}

TEST(ApplyTest, AWrongFileChangesNothingAndSaysWhere) {
  Fleet fleet;
  const RunResult result =
      fleet.Ctl({"apply", "-f", "-"}, "[servers.a]\nport = 0\n[servers.b]\nport = 70000\n");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("stdin:4:8: port is 70000"));
  EXPECT_FALSE(fleet.GetServer("a").ok());
  EXPECT_EQ(fleet.Ctl({"apply", "-f", "/nowhere.toml", "--dry-run"}).exit_code, 2);
}

TEST(ApplyTest, TheCoordinatorReadsTheSameFile) {
  const TempDir dir;
  const std::string config = dir / "center.toml";
  WriteWholeFile(config, absl::StrCat("log-level = \"debug\"\n", kTwoServers));
  Fleet fleet({.extra_args = {"--config", config}});
  ASSERT_TRUE(WaitFor([&] { return fleet.GetServer("compute").ok(); }));
  ASSERT_TRUE(fleet.WaitReady("default"));
  ASSERT_TRUE(fleet.WaitReady("compute"));
  EXPECT_EQ(fleet.Ctl({"apply", "-f", config, "--dry-run"}).exit_code, 0);
  const pid_t worker = fleet.WorkerPid("default", 0);

  WriteWholeFile(config,
                 "[servers.default]\nport = 0\nworkers = 1\nidle-timeout = \"30s\"\n"
                 "[clients.load]\nrate = 50\n");
  grpc::ClientContext context;
  v1::GetCoordinatorResponse self;
  ASSERT_TRUE(
      v1::ServerService::NewStub(fleet.channel())->GetCoordinator(&context, {}, &self).ok());
  const pid_t coordinator = static_cast<pid_t>(self.coordinator().pid());
  ASSERT_EQ(::kill(coordinator, SIGHUP), 0);
  EXPECT_TRUE(WaitFor([&] { return fleet.GetServer("default")->workers_size() == 1; }));
  EXPECT_EQ(fleet.WorkerPid("default", 0), worker) << "one that stays is not touched";
  EXPECT_TRUE(WaitFor([&] { return fleet.Ctl({"client", "status", "load"}).exit_code == 0; }));
  EXPECT_EQ(fleet.GetServer("compute")->state(), v1::SERVER_STATE_RUNNING) << "left alone";

  WriteWholeFile(config, "[servers.default]\nport = 0\nworkers = 300\n");
  ASSERT_EQ(::kill(coordinator, SIGHUP), 0);
  EXPECT_TRUE(WaitFor([&] {
    return fleet.Ctl({"events"}).out.find("center.toml:3:11: workers is 300") != std::string::npos;
  }));
  EXPECT_EQ(fleet.GetServer("default")->workers_size(), 1);
}

}  // namespace
}  // namespace center::itest
