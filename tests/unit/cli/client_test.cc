// `client start|stop|status|list`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/completion.h"
#include "services/common/config/client_spec.h"
#include "services/common/rpc/status.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ClientTest : public CliTest {
 protected:
  ClientTest() : coordinator_(dir_.path()) {}

  CliResult Ctl(std::vector<std::string> args) {
    args.insert(args.begin(), {"--address", coordinator_.address()});
    return Run(std::move(args));
  }
  v1::Client& AddClient(const std::string& name, v1::ClientState state) {
    v1::Client& client = coordinator_.clients.clients.emplace_back();
    client.set_name(name);
    client.set_state(state);
    client.set_address("127.0.0.1:5000");
    client.mutable_spec()->set_server("default");
    client.mutable_spec()->set_processes(2);
    client.mutable_spec()->set_connections(3);
    client.mutable_spec()->mutable_pace()->set_rate(0.5);
    client.mutable_stats()->set_payloads_sent(1234);
    client.mutable_stats()->set_payloads_acknowledged(1200);
    return client;
  }
  static void AddProcess(v1::Client& client, v1::WorkerState state) {
    v1::ClientProcess& process = *client.add_processes();
    process.set_name(client.name() + "/" + std::to_string(client.processes_size() - 1));
    process.set_state(state);
    process.set_pid(state == v1::WORKER_STATE_READY ? 77 : 0);
  }

  FakeCoordinator coordinator_;
};

TEST_F(ClientTest, AStartWithoutFlagsLeavesEverythingToTheCoordinator) {
  const CliResult result = Ctl({"client", "start"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(coordinator_.clients.started.name(), "default");
  EXPECT_EQ(coordinator_.clients.started.spec().ByteSizeLong(), 0u);
  EXPECT_NE(coordinator_.clients.started.request_id(), "");
  EXPECT_THAT(result.err, HasSubstr("client default sends to 127.0.0.1:5000"));
}

TEST_F(ClientTest, EveryFlagSetsItsField) {
  const CliResult result = Ctl({"client",
                                "start",
                                "load",
                                "--server",
                                "games",
                                "--processes",
                                "2",
                                "--connections",
                                "8",
                                "--rate",
                                "0.25",
                                "--payload-bytes",
                                "1KiB",
                                "--mix",
                                "json=2,string=3",
                                "--count",
                                "9",
                                "--framing",
                                "octet",
                                "--drain-timeout",
                                "3s",
                                "--orphan-timeout",
                                "1m"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const v1::ClientSpec& spec = coordinator_.clients.started.spec();
  EXPECT_EQ(coordinator_.clients.started.name(), "load");
  EXPECT_EQ(spec.server(), "games");
  EXPECT_EQ(spec.processes(), 2u);
  EXPECT_EQ(spec.connections(), 8u);
  EXPECT_EQ(spec.pace().rate(), 0.25);
  EXPECT_EQ(spec.payload_bytes(), 1024u);
  EXPECT_EQ(spec.mix().json(), 2u);
  EXPECT_EQ(spec.mix().string(), 3u);
  EXPECT_EQ(spec.count(), 9u);
  EXPECT_EQ(spec.framing(), v1::FRAMING_OCTET);
  EXPECT_EQ(spec.drain_timeout().seconds(), 3);
  EXPECT_EQ(spec.orphan_timeout().seconds(), 60);
  EXPECT_EQ(Ctl({"client", "start", "--to", "h:1", "--interval", "250ms"}).exit_code, 0);
  EXPECT_EQ(coordinator_.clients.started.spec().address(), "h:1");
  EXPECT_EQ(coordinator_.clients.started.spec().pace().interval().nanos(), 250'000'000);
  EXPECT_EQ(Ctl({"client", "start", "--unlimited"}).exit_code, 0);
  EXPECT_TRUE(coordinator_.clients.started.spec().pace().unlimited());
}

TEST_F(ClientTest, MistakesInFlagsAreUsageErrors) {
  const std::vector<std::vector<std::string>> mistakes = {
      {"--to", "nowhere"},
      {"--to", "h:1", "--server", "x"},
      {"--rate", "0"},
      {"--rate", "nan"},
      {"--rate", "1", "--unlimited"},
      {"--interval", "1s", "--rate", "1"},
      {"--interval", "0s"},
      {"--interval", "5"},
      {"--mix", "json=0"},
      {"--mix", "xml=1"},
      {"--processes", "65"},
      {"--connections", "0"},
      {"--count", "0"},
      {"--framing", "relp"},
      {"Bad Name"},
  };
  for (std::vector<std::string> flags : mistakes) {
    flags.insert(flags.begin(), {"client", "start"});
    EXPECT_EQ(Ctl(flags).exit_code, 2) << flags[2];
  }
  EXPECT_EQ(coordinator_.clients.started.name(), "") << "nothing was asked for";
}

TEST_F(ClientTest, ADryRunSaysWhatAStartWouldDoAndStartsNothing) {
  const CliResult fresh = Ctl({"client", "start", "load", "--processes", "2", "--dry-run"});
  EXPECT_EQ(fresh.exit_code, 0) << fresh.err;
  EXPECT_EQ(fresh.out,
            "would start a new client load: send to 127.0.0.1:5000 with 2 processes, -\n");
  EXPECT_TRUE(coordinator_.clients.started.dry_run());
  *AddClient("old", v1::CLIENT_STATE_STOPPED).mutable_spec()->mutable_pace() = v1::Pace();
  const CliResult again = Ctl({"client", "start", "old", "--server", "default", "--processes", "4",
                               "--connections", "3", "--dry-run"});
  EXPECT_EQ(
      again.out,
      "would change processes 2 -> 4\n"
      "would start client old again: send to default at 127.0.0.1:5000 with 4 processes, -\n");
  EXPECT_THAT(Ctl({"client", "start", "load", "--dry-run", "-o", "json"}).out,
              HasSubstr("\"dryRun\": true"));
}

TEST_F(ClientTest, DefaultsTakeThePlaceOfWhatIsNotGiven) {
  EXPECT_EQ(Ctl({"client", "start", "--rate", "2", "--defaults"}).exit_code, 0);
  EXPECT_THAT(coordinator_.clients.started.reset(), testing::Contains("count"));
  EXPECT_THAT(coordinator_.clients.started.reset(), Not(testing::Contains("pace")));
}

TEST_F(ClientTest, AStoppedServerIsNotRunning) {
  coordinator_.clients.failure = rpc::WithReason(
      absl::FailedPreconditionError("server 'default' is not running: there is nobody to send to"),
      "SERVER_STOPPED");
  const CliResult result = Ctl({"client", "start"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, AllOf(HasSubstr("nobody to send to"), HasSubstr("server start NAME")));
}

TEST_F(ClientTest, StatusShowsTheClientAndItsProcesses) {
  v1::Client& client = AddClient("load", v1::CLIENT_STATE_RUNNING);
  AddProcess(client, v1::WORKER_STATE_READY);
  AddProcess(client, v1::WORKER_STATE_BACKOFF);
  const CliResult result = Ctl({"client", "status", "load"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("server default at 127.0.0.1:5000"), HasSubstr("0.5/s"),
                                HasSubstr("1/2 processes of 3 connections"),
                                HasSubstr("1,234 payloads"), HasSubstr("load/1")));
  EXPECT_EQ(Ctl({"client", "status", "load", "-o", "name"}).out, "load\n");
  EXPECT_THAT(Ctl({"client", "status", "load", "-o", "json"}).out,
              HasSubstr("\"payloadsSent\": \"1234\""));
  EXPECT_EQ(Ctl({"client", "status", "nobody"}).exit_code, 64 + 5);
}

TEST_F(ClientTest, WhatDoesNotSendExitsWithThree) {
  v1::Client& client = AddClient("default", v1::CLIENT_STATE_RUNNING);
  const auto exit_code = [&](v1::ClientState state) {
    client.set_state(state);
    return Ctl({"client", "status"}).exit_code;
  };
  EXPECT_EQ(exit_code(v1::CLIENT_STATE_STARTING), 0);
  EXPECT_EQ(exit_code(v1::CLIENT_STATE_STOPPING), 0);
  EXPECT_EQ(exit_code(v1::CLIENT_STATE_STOPPED), 3);
  EXPECT_EQ(exit_code(v1::CLIENT_STATE_FINISHED), 3);
  EXPECT_EQ(exit_code(v1::CLIENT_STATE_FAILED), 3);
  AddProcess(client, v1::WORKER_STATE_BACKOFF);
  EXPECT_EQ(exit_code(v1::CLIENT_STATE_DEGRADED), 3);
  AddProcess(client, v1::WORKER_STATE_READY);
  EXPECT_EQ(exit_code(v1::CLIENT_STATE_DEGRADED), 0);
}

TEST_F(ClientTest, AStopTellsWhatWasSent) {
  AddClient("load", v1::CLIENT_STATE_RUNNING);
  const CliResult result = Ctl({"client", "stop", "load", "--now"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(coordinator_.clients.stopped.now());
  EXPECT_THAT(result.err,
              HasSubstr("client load stopped: 1,234 payloads sent, 1,200 acknowledged"));
  coordinator_.clients.failure =
      rpc::WithReason(absl::FailedPreconditionError("it is stopped"), "CLIENT_STOPPED");
  EXPECT_EQ(Ctl({"client", "stop", "load"}).exit_code, 3);
}

TEST_F(ClientTest, ADryRunOfAStopStopsNothing) {
  v1::Client& client = AddClient("load", v1::CLIENT_STATE_RUNNING);
  AddProcess(client, v1::WORKER_STATE_READY);
  client.mutable_stats()->set_connections(3);
  const CliResult result = Ctl({"client", "stop", "load", "--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "would stop client load: end 1 process, and wait until everything is read that was "
            "sent on 3 connections\n");
  EXPECT_EQ(Ctl({"client", "stop", "load", "--now", "--dry-run"}).out,
            "would stop client load: end 1 process and cut 3 connections\n");
  EXPECT_EQ(coordinator_.clients.stopped.name(), "") << "nothing was asked for";
  client.set_state(v1::CLIENT_STATE_STOPPED);
  EXPECT_EQ(Ctl({"client", "stop", "load", "--dry-run"}).exit_code, 3);
}

TEST_F(ClientTest, AWrongNameIsAnsweredWithTheNearestOne) {
  AddClient("load", v1::CLIENT_STATE_RUNNING);
  for (const char* verb : {"status", "stop"}) {
    EXPECT_THAT(Ctl({"client", verb, "laod"}).err, HasSubstr("Did you mean load?")) << verb;
  }
}

TEST_F(ClientTest, ListShowsAllPagesInEveryForm) {
  EXPECT_THAT(Ctl({"client", "list"}).err, HasSubstr("no clients yet"));
  AddClient("a", v1::CLIENT_STATE_RUNNING);
  AddClient("b", v1::CLIENT_STATE_STOPPED);
  EXPECT_EQ(Ctl({"client", "list", "-o", "name"}).out, "a\nb\n");
  const auto lines = SplitLines(Ctl({"client", "list"}).out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], AllOf(HasSubstr("NAME"), HasSubstr("TARGET"), Not(HasSubstr("PACE"))));
  EXPECT_THAT(lines[2], AllOf(HasSubstr("STOPPED"), HasSubstr("0/2")));
  EXPECT_THAT(Ctl({"client", "list", "-o", "wide"}).out, HasSubstr("0.5/s"));
  EXPECT_THAT(Ctl({"client", "list", "-o", "yaml"}).out, HasSubstr("name: a"));
}

TEST_F(ClientTest, LiveNamesAreCompleted) {
  AddClient("load", v1::CLIENT_STATE_RUNNING);
  EXPECT_THAT(Ctl({"client", "list", "-o", "name"}).out, HasSubstr("load"));
  const ScopedEnv address("CENTER_ADDRESS", coordinator_.address().c_str());
  const CliResult result = Run({kCompleteCommand, "--line", "centerctl client stop lo"});
  EXPECT_THAT(SplitLines(result.out), ElementsAre("load"));
}

TEST(ParseMixTest, WhatIsNotNamedIsNone) {
  v1::Mix mix;
  mix.set_string(7);
  ASSERT_TRUE(ParseMix("json=2", &mix).ok());
  EXPECT_EQ(mix.json(), 2u);
  EXPECT_EQ(mix.string(), 0u);
  EXPECT_FALSE(ParseMix("json=1001", &mix).ok());
  EXPECT_FALSE(ParseMix("json", &mix).ok());
  EXPECT_FALSE(ParseMix("", &mix).ok());
}

TEST_F(ClientTest, ListAndStatusWatch) {
  AddClient("load", v1::CLIENT_STATE_RUNNING);
  // Nobody watches for less than a moment, so that these end.
  for (const char* verb : {"list", "status"}) {
    const CliResult result = Ctl({"client", verb, "--watch", "--interval", "1ms"});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("--interval: at least 100ms"));
  }
}

TEST_F(ClientTest, StatusBreaksLongLinesBetweenWords) {
  v1::Client& client = AddClient("load", v1::CLIENT_STATE_DEGRADED);
  client.set_detail("load/1 is BACKOFF (killed by SIGKILL, not by Center)");
  const CliResult result = Run({"--address", coordinator_.address(), "client", "status", "load"});
  EXPECT_THAT(result.out, HasSubstr("load/1 is BACKOFF (killed by SIGKILL, not by Center)"));
  EXPECT_EQ(Paragraph("default/0 was restarted 1 time", Style(false, 20)),
            "default/0 was\nrestarted 1 time\n");
  EXPECT_EQ(Paragraph("one\nline", Style()), "one\\nline\n");
}

}  // namespace
}  // namespace center::cli
