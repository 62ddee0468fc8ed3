// The fleet as a file: what is read, what is refused and where, what is written and read again.
#include "services/common/config/fleet_file.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "services/common/config/client_spec.h"
#include "services/common/config/fleet_plan.h"
#include "services/common/config/message_toml.h"
#include "services/common/config/server_spec.h"

namespace center {
namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

FleetFile Parse(absl::string_view text) {
  auto file = ParseFleetFile(text, "fleet.toml");
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *std::move(file) : FleetFile();
}

std::string Refusal(absl::string_view text) {
  const auto file = ParseFleetFile(text, "fleet.toml");
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(file.status().message());
}

TEST(FleetFileTest, EveryKindOfSettingIsRead) {
  const FleetFile file = Parse(R"(
log-level = "debug"
listen = ["unix:/run/c.sock", "127.0.0.1:7070"]

[servers.games]
state = "stopped"
host = "::1"
port = 0
workers = 3
framing = "length"
overflow = "drop-oldest"
restart = "on-failure"
max-payload-bytes = "64KiB"
retain-bytes = 2147483648
idle-timeout = "1m30s"
banner = ""
task-module = ["/a.so", "/b.so"]
)");
  ASSERT_THAT(file.servers, SizeIs(1));
  const DesiredServer& server = file.servers[0];
  EXPECT_EQ(server.name, "games");
  EXPECT_FALSE(server.running);
  EXPECT_EQ(server.spec.host(), "::1");
  EXPECT_TRUE(server.spec.has_port());
  EXPECT_EQ(server.spec.workers(), 3u);
  EXPECT_EQ(server.spec.framing(), v1::FRAMING_LENGTH);
  EXPECT_EQ(server.spec.overflow(), v1::OVERFLOW_DROP_OLDEST);
  EXPECT_EQ(server.spec.restart(), v1::RESTART_POLICY_ON_FAILURE);
  EXPECT_EQ(server.spec.max_payload_bytes(), 64u << 10);
  EXPECT_EQ(server.spec.retain_bytes(), 2ull << 30);
  EXPECT_EQ(server.spec.idle_timeout().seconds(), 90);
  EXPECT_TRUE(server.spec.has_banner());
  EXPECT_THAT(server.spec.task_modules().paths(), ElementsAre("/a.so", "/b.so"));
  ASSERT_THAT(file.settings, SizeIs(2));
  EXPECT_EQ(*FlagsOfSetting(file.settings[0]), std::vector<std::string>{"--log-level=debug"});
  EXPECT_THAT(*FlagsOfSetting(file.settings[1]),
              ElementsAre("--listen=unix:/run/c.sock", "--listen=127.0.0.1:7070"));
}

TEST(FleetFileTest, APoolIsAServerThatDoesNotListen) {
  const FleetFile file = Parse("[pools.compute]\nworkers = 4\ncompute-threads = 2\n");
  ASSERT_NE(file.FindServer("compute"), nullptr);
  EXPECT_TRUE(file.FindServer("compute")->spec.no_listen());
  EXPECT_THAT(Refusal("[pools.compute]\nport = 5000\n"),
              HasSubstr("fleet.toml:2:1: port is without meaning for a pool"));
  EXPECT_THAT(Refusal("[servers.a]\n[pools.a]\n"), HasSubstr("fleet.toml:2:8: there is a server"));
}

TEST(FleetFileTest, ClientsSayWhatTheySendAndHowFast) {
  const FleetFile file = Parse(R"(
[clients.load]
to = "127.0.0.1:5000"
processes = 2
rate = 100
mix = "json=1,string=3"
payload-bytes = "1KiB"
[clients.slow]
server = "games"
interval = "5s"
)");
  ASSERT_THAT(file.clients, SizeIs(2));
  EXPECT_EQ(file.clients[0].spec.address(), "127.0.0.1:5000");
  EXPECT_EQ(file.clients[0].spec.pace().rate(), 100);
  EXPECT_EQ(file.clients[0].spec.mix().string(), 3u);
  EXPECT_EQ(file.clients[0].spec.payload_bytes(), 1024u);
  EXPECT_EQ(file.clients[1].spec.pace().interval().seconds(), 5);
  EXPECT_THAT(Refusal("[clients.a]\ninterval = \"5s\"\nrate = 3\n"),
              HasSubstr("fleet.toml:3:1: only one of interval, rate and unlimited"));
  EXPECT_THAT(Refusal("[clients.a]\nmix = \"json\"\n"),
              HasSubstr("fleet.toml:2:7: mix \"json\" is neither"));
  EXPECT_THAT(Refusal("[clients.a]\nmix = 3\n"), HasSubstr("fleet.toml:2:7: mix must be"));
}

TEST(FleetFileTest, TheLimitsOfClientsAreThoseOfTheCoordinator) {
  EXPECT_THAT(Refusal("[clients.a]\nprocesses = 65\n"),
              HasSubstr("fleet.toml:2:13: processes is 65; must be from 1 to 64"));
  EXPECT_THAT(Refusal("[clients.a]\nserver = \"x\"\nrate = -1.0\n"),
              HasSubstr("fleet.toml:3:8: rate is -1; must be more than 0"));
  EXPECT_THAT(Refusal("[clients.a]\nto = \"nowhere\"\n"), HasSubstr("fleet.toml:2:6: to "));
  EXPECT_THAT(Refusal("[clients.a]\nto = \"h:1\"\nserver = \"b\"\n"),
              HasSubstr("fleet.toml:1:10: only one of server and to"));
}

TEST(FleetFileTest, ASettingOfAClientThatIsNotNamedGetsItsDefault) {
  const FleetFile file = Parse("[clients.a]\ncount = 0\nrate = 2\n");
  const v1::StartClientRequest request = StartRequestFor(file.clients[0]);
  EXPECT_EQ(request.spec().pace().rate(), 2);
  EXPECT_THAT(request.reset(), Contains("count"));
  EXPECT_THAT(request.reset(), Contains("server"));
  EXPECT_THAT(request.reset(), Not(Contains("pace")));
}

TEST(FleetFileTest, WhatIsWrongIsSaidWithItsPlaceAllAtOnce) {
  const std::string all = Refusal(R"([servers.games]
port = 70000
workrs = 2
framing = "lines"
idle-timeout = 30
[servers.Games]
[server.x]
port = 1
)");
  EXPECT_THAT(all, HasSubstr("fleet.toml:2:8: port is 70000; must be from 0 to 65535"));
  EXPECT_THAT(all, HasSubstr("fleet.toml:3:1: a server has no setting \"workrs\"; did you mean "
                             "workers?"));
  EXPECT_THAT(all, HasSubstr("fleet.toml:4:11: framing is \"lines\"; must be one of"));
  EXPECT_THAT(all, HasSubstr("did you mean \"line\"?"));
  EXPECT_THAT(all, HasSubstr("fleet.toml:5:16: idle-timeout is a whole number; must be a "
                             "duration such as \"30s\""));
  EXPECT_THAT(all, HasSubstr("fleet.toml:6:10: server name \"Games\" must begin"));
  EXPECT_THAT(all, HasSubstr("fleet.toml:7:2: there is no table \"server\"; did you mean "
                             "\"servers\"?"));
}

TEST(FleetFileTest, WhatIsNoTomlIsRefusedWithItsPlace) {
  EXPECT_THAT(Refusal("[servers.games\nport = 1\n"), HasSubstr("fleet.toml:1:"));
  EXPECT_THAT(Refusal("a = 1\na = 2\n"), HasSubstr("fleet.toml:2:"));
  EXPECT_THAT(Refusal("a = \"\xff\"\n"), HasSubstr("fleet.toml:1:"));
  EXPECT_EQ(ParseFleetFile(std::string(kTomlBytesMax + 1, '#'), "f").status().code(),
            absl::StatusCode::kResourceExhausted);
}

// What the TOML library's own tables have forgotten: it must neither crash nor be let through.
TEST(FleetFileTest, CodePointsOutOfPlaceAreRefusedAndInTextsTheyAreWelcome) {
  EXPECT_THAT(Refusal("[servers.games]\xef\xbb\x9f\nport = 5000\n"), HasSubstr(":1:16: "));
  EXPECT_TRUE(ParseFleetFile("# \xef\xb8\x8f\n[servers.games]\nport = 5000\n", "f").ok());
}

TEST(FleetFileTest, ZeroIsRefusedWhereItCannotBe) {
  EXPECT_THAT(Refusal("[servers.a]\nframe-timeout = \"0s\"\n"),
              HasSubstr("fleet.toml:2:17: frame-timeout cannot be 0"));
  EXPECT_THAT(Refusal("[servers.a]\nworkers = 0\n"), HasSubstr("workers cannot be 0"));
  EXPECT_THAT(Refusal("[servers.a]\nhost = \"\"\n"), HasSubstr("host is empty"));
  Parse("[servers.a]\nidle-timeout = \"0s\"\nmax-connections-per-peer = 0\n");
}

TEST(FleetFileTest, WhatTheFileDoesNotNameGetsItsDefault) {
  const FleetFile file =
      Parse("[servers.a]\nworkers = 2\nidle-timeout = \"0s\"\nbanner = \"\"\nport = 0\n");
  const v1::UpdateServerRequest request = UpdateRequestFor(file.servers.at(0));
  EXPECT_EQ(request.name(), "a");
  EXPECT_EQ(request.spec().workers(), 2u);
  EXPECT_TRUE(request.spec().has_banner());
  EXPECT_TRUE(request.spec().has_port());
  EXPECT_THAT(request.reset(),
              AllOf(Contains("idle_timeout"), Contains("host"), Not(Contains("workers")),
                    Not(Contains("banner")), Not(Contains("port"))));
  EXPECT_EQ(request.reset_size(), v1::ServerSpec::descriptor()->field_count() - 3);
}

// Every field of the settings, with a value that is not its default.
v1::ServerSpec UnusualSpec() {
  v1::ServerSpec spec = DefaultSpec();
  const auto* reflection = v1::ServerSpec::GetReflection();
  for (int i = 0; i < v1::ServerSpec::descriptor()->field_count(); ++i) {
    const auto* field = v1::ServerSpec::descriptor()->field(i);
    switch (field->cpp_type()) {
      case google::protobuf::FieldDescriptor::CPPTYPE_UINT32:
        reflection->SetUInt32(&spec, field, reflection->GetUInt32(spec, field) + 1);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_UINT64:
        reflection->SetUInt64(&spec, field, reflection->GetUInt64(spec, field) + 1);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(&spec, field, 2);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_STRING:
        reflection->SetString(&spec, field, "a\"b\\c\n\x01");
        break;
      default:
        break;
    }
  }
  spec.set_host("::1");
  *spec.mutable_drain_timeout() = FromDuration(absl::Milliseconds(1500));
  *spec.mutable_cancel_grace() = FromDuration(absl::Minutes(59) + absl::Nanoseconds(1));
  spec.mutable_task_modules()->add_paths("/lib/t.so");
  return spec;
}

TEST(FleetFileTest, WhatIsWrittenIsReadAgain) {
  v1::Server server;
  server.set_name("games");
  *server.mutable_spec() = UnusualSpec();
  server.set_state(v1::SERVER_STATE_STOPPED);
  std::vector<std::string> fields;
  for (int i = 0; i < v1::ServerSpec::descriptor()->field_count(); ++i) {
    fields.push_back(v1::ServerSpec::descriptor()->field(i)->name());
  }
  const std::string text = ServerToToml(server, fields);
  const FleetFile file = Parse(text);
  ASSERT_THAT(file.servers, SizeIs(1)) << text;
  EXPECT_FALSE(file.servers[0].running);
  EXPECT_TRUE(
      MessageDifferencer::Equals(MergeSpec(DefaultSpec(), file.servers[0].spec), server.spec()))
      << text;
}

TEST(FleetFileTest, OnlyWhatDiffersIsWrittenAndPoolsAreTold) {
  v1::Server server;
  server.set_name("default");
  *server.mutable_spec() = DefaultSpec();
  server.set_state(v1::SERVER_STATE_RUNNING);
  EXPECT_EQ(ServerToToml(server, {}), "[servers.default]\nport = 5000\nworkers = 1\n");
  server.mutable_spec()->set_no_listen(true);
  EXPECT_EQ(ServerToToml(server, {"no_listen"}), "[pools.default]\nworkers = 1\n");
  EXPECT_THAT(ServerToToml(server, {"no_listen", "banner"}),
              HasSubstr("[servers.default]\nworkers = 1\nbanner = \"\"\nno-listen = true\n"));
}

TEST(FleetFileTest, AClientIsWrittenAndReadAgain) {
  v1::Client client;
  client.set_name("load");
  client.set_state(v1::CLIENT_STATE_RUNNING);
  v1::ClientSpec& spec = *client.mutable_spec();
  spec.set_server("default");
  spec.set_processes(2);
  spec.set_connections(3);
  spec.mutable_pace()->set_rate(0.1);
  spec.mutable_mix()->set_json(1);
  spec.set_count(1'000'000);
  spec.set_framing(v1::FRAMING_OCTET);
  *spec.mutable_drain_timeout() = FromDuration(absl::Seconds(3));
  const FleetFile file = Parse(ClientToToml(client, v1::FRAMING_LINE));
  ASSERT_THAT(file.clients, SizeIs(1));
  EXPECT_TRUE(MessageDifferencer::Equals(file.clients[0].spec, spec));
  EXPECT_THAT(PlanClient(file.clients[0], &client).lines, IsEmpty());

  spec = DefaultClientSpec();
  spec.set_framing(v1::FRAMING_OCTET);
  spec.mutable_pace()->set_rate(0.1);
  EXPECT_EQ(ClientToToml(client, v1::FRAMING_OCTET),
            "[clients.load]\nserver = \"default\"\nrate = 0.1\n");
  EXPECT_THAT(ClientToToml(client, v1::FRAMING_LINE), HasSubstr("framing = \"octet\""));
}

v1::SettingChange Change(const std::string& field, v1::ChangeEffect effect) {
  v1::SettingChange change;
  change.set_field(field);
  change.set_before("1048576");
  change.set_after("2097152");
  change.set_effect(effect);
  return change;
}

TEST(FleetPlanTest, WhatDiffersDecidesTheSteps) {
  DesiredServer desired{.name = "a"};
  SettingChanges none, rolling, stopping;
  *rolling.Add() = Change("max_payload_bytes", v1::CHANGE_EFFECT_ROLLING_RESTART);
  *stopping.Add() = Change("host", v1::CHANGE_EFFECT_NEEDS_STOP);
  v1::Server running, stopped, failed;
  running.set_state(v1::SERVER_STATE_RUNNING);
  stopped.set_state(v1::SERVER_STATE_STOPPED);
  failed.set_state(v1::SERVER_STATE_FAILED);
  using enum FleetStep;

  EXPECT_THAT(PlanServer(desired, nullptr, none).steps, ElementsAre(kStart));
  EXPECT_THAT(PlanServer(desired, nullptr, none).lines,
              ElementsAre("+ server a: start at 127.0.0.1:5000 with 1 worker"));
  EXPECT_THAT(PlanServer(desired, &running, none).steps, IsEmpty());
  const FleetChange rolled = PlanServer(desired, &running, rolling);
  EXPECT_THAT(rolled.steps, ElementsAre(kUpdate));
  EXPECT_THAT(rolled.lines,
              ElementsAre("~ server a: max-payload-bytes 1MiB -> 2MiB (rolling restart)"));
  EXPECT_FALSE(rolled.cuts);
  EXPECT_THAT(PlanServer(desired, &running, stopping).steps, ElementsAre(kStop, kUpdate, kStart));
  EXPECT_TRUE(PlanServer(desired, &running, stopping).cuts);
  EXPECT_THAT(PlanServer(desired, &stopped, rolling).steps, ElementsAre(kUpdate, kStart));
  EXPECT_THAT(PlanServer(desired, &failed, none).steps, ElementsAre(kStart));
  desired.running = false;
  EXPECT_THAT(PlanServer(desired, nullptr, none).steps, IsEmpty());
  EXPECT_THAT(PlanServer(desired, &stopped, none).steps, IsEmpty());
  EXPECT_THAT(PlanServer(desired, &running, rolling).steps, ElementsAre(kStop, kUpdate));
  EXPECT_THAT(PlanPrune(stopped).steps, IsEmpty());
  EXPECT_THAT(PlanPrune(running).steps, ElementsAre(kStop));
}

TEST(FleetPlanTest, ChangesOfAClientAreSaidAsTheFileHasThem) {
  const v1::ClientSpec before = DefaultClientSpec();
  v1::ClientSpec after = before;
  EXPECT_THAT(ClientChanges(before, after), IsEmpty());
  after.clear_server();
  after.set_address("h:1");
  after.mutable_pace()->set_rate(0.5);
  after.mutable_mix()->set_string(0);
  after.set_payload_bytes(1024);
  EXPECT_THAT(ClientChanges(before, after),
              ElementsAre("server default -> to h:1", "interval 5s -> rate 0.5",
                          "payload-bytes 0B -> 1KiB", "mix json=1,string=1 -> json=1,string=0"));
}

TEST(FleetPlanTest, AClientIsStoppedToBeChanged) {
  const FleetFile file = Parse("[clients.load]\nprocesses = 2\n");
  v1::Client client;
  *client.mutable_spec() = DefaultClientSpec();
  client.mutable_spec()->set_framing(v1::FRAMING_OCTET);  // as its server wants it
  using enum FleetStep;
  EXPECT_THAT(PlanClient(file.clients[0], nullptr).steps, ElementsAre(kStart));
  client.set_state(v1::CLIENT_STATE_RUNNING);
  EXPECT_THAT(PlanClient(file.clients[0], &client).steps, ElementsAre(kStop, kStart));
  EXPECT_THAT(PlanClient(file.clients[0], &client).lines,
              ElementsAre("~ client load: processes 1 -> 2 (stop and start)"));
  client.mutable_spec()->set_processes(2);
  EXPECT_THAT(PlanClient(file.clients[0], &client).steps, IsEmpty());
  client.set_state(v1::CLIENT_STATE_FINISHED);
  EXPECT_THAT(PlanClient(file.clients[0], &client).steps, IsEmpty());
  client.set_state(v1::CLIENT_STATE_STOPPED);
  EXPECT_THAT(PlanClient(file.clients[0], &client).steps, ElementsAre(kStart));
}

}  // namespace
}  // namespace center
