// Traffic clients, end to end: what they send arrives, what dies is replaced, what is restarted
// goes on.
#include <signal.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "center/v1/client.grpc.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"
#include "tests/integration/fleet.h"

namespace center::itest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClientsTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Client> TryStart(const v1::ClientSpec& spec) {
    v1::StartClientRequest request;
    *request.mutable_spec() = spec;
    v1::StartClientResponse response;
    const grpc::Status status = Call(&v1::ClientService::Stub::StartClient, request, &response);
    if (!status.ok()) return rpc::FromGrpc(status);
    return response.client();
  }
  void Start(const v1::ClientSpec& spec) {
    const auto client = TryStart(spec);
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ(client->state(), v1::CLIENT_STATE_RUNNING) << client->DebugString();
  }
  absl::StatusOr<v1::Client> Stop() {
    v1::StopClientResponse response;
    const grpc::Status status =
        Call(&v1::ClientService::Stub::StopClient, v1::StopClientRequest(), &response);
    if (!status.ok()) return rpc::FromGrpc(status);
    return response.client();
  }
  v1::Client Get() {
    v1::GetClientResponse response;
    const grpc::Status status =
        Call(&v1::ClientService::Stub::GetClient, v1::GetClientRequest(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.client();
  }
  pid_t Pid() {
    const v1::Client client = Get();
    return client.processes_size() == 0 ? 0 : client.processes(0).pid();
  }
  bool WaitState(v1::ClientState state) {
    return WaitFor([&] { return Get().state() == state; });
  }
  // As the workers have reported.
  uint64_t Received() {
    const auto server = fleet_.GetServer("default");
    if (!server.ok()) return 0;
    uint64_t received = 0;
    for (const v1::Worker& worker : server->workers()) received += worker.stats().payloads();
    return received;
  }
  static v1::ClientSpec Rate(double rate) {
    v1::ClientSpec spec;
    spec.mutable_pace()->set_rate(rate);
    return spec;
  }

  Fleet fleet_;

 private:
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::ClientService::Stub::*method)(grpc::ClientContext*,
                                                                    const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    const auto stub = v1::ClientService::NewStub(fleet_.channel());
    return (stub.get()->*method)(&context, request, response);
  }
};

TEST_F(ClientsTest, JsonAndTextArriveInTurnAndTailShowsThem) {
  fleet_.MustStart("default", SmallSpec());
  const RunResult start = fleet_.Ctl({"client", "start", "--interval", "10ms"});
  ASSERT_EQ(start.exit_code, 0) << start.err;
  const RunResult tail =
      fleet_.Ctl({"tail", "--from", "earliest", "--count", "4", "--follow", "-o", "raw"});
  EXPECT_EQ(tail.exit_code, 0) << tail.err;
  const std::vector<std::string> lines = absl::StrSplit(tail.out, '\n', absl::SkipEmpty());
  EXPECT_THAT(lines, ElementsAre("JSON|{\"proto_cnt\": 1}", "STRING|2", "JSON|{\"proto_cnt\": 3}",
                                 "STRING|4"));
  EXPECT_EQ(fleet_.Ctl({"client", "status"}).exit_code, 0);
  EXPECT_EQ(fleet_.Ctl({"client", "stop"}).exit_code, 0);
  EXPECT_EQ(fleet_.Ctl({"client", "status"}).exit_code, 3);
  EXPECT_EQ(fleet_.Ctl({"client", "stop"}).exit_code, 3);
}

TEST_F(ClientsTest, ACountFinishesAndEverythingIsStored) {
  fleet_.MustStart("default", SmallSpec(2, v1::FRAMING_OCTET));
  v1::ClientSpec spec;
  spec.set_processes(2);
  spec.set_connections(3);
  spec.set_count(500);
  spec.mutable_pace()->set_unlimited(true);
  const auto started = TryStart(spec);
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_TRUE(WaitState(v1::CLIENT_STATE_FINISHED));
  const v1::Client client = Get();
  EXPECT_EQ(client.stats().payloads_sent(), 1000u);
  EXPECT_EQ(client.stats().payloads_acknowledged(), 1000u);
  EXPECT_EQ(client.stats().errors(), 0u);
  EXPECT_TRUE(fleet_.WaitStored("default", 1000));
  EXPECT_TRUE(fleet_.WaitEvent(v1::EVENT_TYPE_CLIENT_FINISHED, "client/default").ok());
}

TEST_F(ClientsTest, AKilledProcessIsReplacedAndTheCauseIsTold) {
  fleet_.MustStart("default", SmallSpec());
  Start(Rate(100));
  const pid_t victim = Pid();
  ASSERT_TRUE(KillProcess(victim));
  const auto died = fleet_.WaitEvent(v1::EVENT_TYPE_WORKER_DIED, "client/default/0");
  ASSERT_TRUE(died.ok()) << died.status();
  EXPECT_THAT(died->reason(), HasSubstr("SIGKILL"));
  EXPECT_TRUE(WaitState(v1::CLIENT_STATE_RUNNING));
  const v1::ClientProcess process = Get().processes(0);
  EXPECT_NE(process.pid(), victim);
  EXPECT_EQ(process.restarts(), 1u);
  EXPECT_EQ(process.last_exit().signal(), SIGKILL);
}

TEST_F(ClientsTest, AKilledCoordinatorIsFollowedByOneThatAdoptsTheProcesses) {
  fleet_.MustStart("default", SmallSpec());
  Start(Rate(200));
  ASSERT_TRUE(WaitFor([&] { return Get().stats().payloads_sent() > 0; }));
  const pid_t pid = Pid();
  const uint64_t sent = Get().stats().payloads_sent();
  fleet_.KillCoordinator();
  fleet_.Start();
  ASSERT_TRUE(WaitState(v1::CLIENT_STATE_RUNNING));
  EXPECT_EQ(Pid(), pid);
  EXPECT_EQ(Get().processes(0).restarts(), 0u);
  EXPECT_TRUE(WaitFor([&] { return Get().stats().payloads_sent() > sent; }));
  EXPECT_TRUE(fleet_.WaitEvent(v1::EVENT_TYPE_WORKER_ADOPTED, "client/default/0").ok());
  EXPECT_EQ(Get().stats().errors(), 0u) << Get().stats().last_error();
  const auto stopped = Stop();
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->stats().payloads_acknowledged(), stopped->stats().payloads_sent());
  EXPECT_TRUE(fleet_.WaitStored("default", stopped->stats().payloads_sent()));
}

TEST_F(ClientsTest, ACoordinatorThatStopsEndsItsClientsAndTheNextOneStartsThem) {
  fleet_.MustStart("default", SmallSpec());
  Start(Rate(200));
  const pid_t pid = Pid();
  fleet_.Stop();
  EXPECT_TRUE(WaitFor([&] { return ::kill(pid, 0) != 0; }));
  fleet_.Start();
  EXPECT_TRUE(WaitState(v1::CLIENT_STATE_RUNNING));
  EXPECT_NE(Pid(), pid);
}

TEST_F(ClientsTest, NobodyToSendToIsAClearError) {
  fleet_.MustStart("default", SmallSpec());
  ASSERT_TRUE(fleet_.StopServer("default").ok());
  const RunResult stopped = fleet_.Ctl({"client", "start"});
  EXPECT_EQ(stopped.exit_code, 3);
  EXPECT_THAT(stopped.err, HasSubstr("server 'default' is not running"));
  EXPECT_THAT(stopped.err, HasSubstr("server start NAME"));
  v1::ServerSpec pool;
  pool.set_no_listen(true);
  ASSERT_TRUE(fleet_.StartServer("pool", pool).ok());
  v1::ClientSpec spec;
  spec.set_server("pool");
  EXPECT_EQ(rpc::ReasonOf(TryStart(spec).status()), "SERVER_NOT_LISTENING");
}

TEST_F(ClientsTest, ASaturatingClientStopsPromptlyAndLosesNothing) {
  v1::ServerSpec small = SmallSpec(2);
  small.set_retain_bytes(4 << 20);
  fleet_.MustStart("default", small);
  v1::ClientSpec spec;
  spec.set_connections(4);
  spec.mutable_pace()->set_unlimited(true);
  Start(spec);
  ASSERT_TRUE(WaitFor([&] { return Get().stats().payloads_sent() > 100'000; }));
  const absl::Time before = absl::Now();
  const auto stopped = Stop();
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_LT(absl::Now() - before, absl::Seconds(10));  // its drain timeout
  const v1::ClientStats& stats = stopped->stats();
  EXPECT_EQ(stats.payloads_acknowledged(), stats.payloads_sent());
  EXPECT_EQ(stats.errors(), 0u) << stats.last_error();
  EXPECT_TRUE(WaitFor([&] { return Received() == stats.payloads_sent(); }))
      << Received() << " of " << stats.payloads_sent();
}

// A server that waits for longer than any call here for those who do not end by themselves.
v1::ServerSpec PatientSpec(uint32_t workers) {
  v1::ServerSpec spec = SmallSpec();
  spec.set_workers(workers);
  *spec.mutable_drain_timeout() = google::protobuf::util::TimeUtil::SecondsToDuration(600);
  return spec;
}

TEST_F(ClientsTest, AServerThatStopsNeedNotWaitForItsClientsAndIsFoundAgainElsewhere) {
  fleet_.MustStart("default", PatientSpec(1));
  Start(Rate(200));
  const pid_t pid = Pid();
  ASSERT_TRUE(WaitFor([&] { return Get().stats().payloads_sent() > 0; }));
  ASSERT_TRUE(fleet_.StopServer("default", /*now=*/false).ok());
  ASSERT_TRUE(WaitFor([&] { return Get().stats().connections() == 0; }));
  EXPECT_THAT(Get().detail(), HasSubstr("server default is stopped"));
  const v1::ClientStats stats = Get().stats();
  EXPECT_EQ(stats.payloads_acknowledged(), stats.payloads_sent());
  EXPECT_EQ(stats.errors(), 0u) << stats.last_error();
  fleet_.MustStart("default", SmallSpec());
  EXPECT_TRUE(WaitFor([&] { return Get().stats().payloads_sent() > stats.payloads_sent(); }));
  EXPECT_EQ(Get().address(), fleet_.GetServer("default")->address());
  EXPECT_EQ(Get().stats().errors(), 0u) << Get().stats().last_error();
  EXPECT_EQ(Get().detail(), "");
  EXPECT_EQ(Pid(), pid);
}

TEST_F(ClientsTest, WorkersThatAreReplacedNeedNotWaitForTheirClients) {
  fleet_.MustStart("default", PatientSpec(2));
  v1::ClientSpec spec = Rate(200);
  spec.set_connections(4);
  Start(spec);
  ASSERT_TRUE(WaitFor([&] { return Get().stats().payloads_sent() > 0; }));
  const RunResult restart = fleet_.Ctl({"server", "restart", "--timeout", "60s"});
  ASSERT_EQ(restart.exit_code, 0) << restart.err;
  ASSERT_EQ(fleet_.Ctl({"server", "scale", "1", "--yes"}).exit_code, 0);
  EXPECT_TRUE(WaitFor([&] { return Get().stats().connections() == 4; }));
  EXPECT_EQ(Get().stats().errors(), 0u) << Get().stats().last_error();
  const auto stopped = Stop();
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->stats().payloads_acknowledged(), stopped->stats().payloads_sent());
}

}  // namespace
}  // namespace center::itest
