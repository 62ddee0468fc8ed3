// RegistryService as a worker meets it, over gRPC. What the fleet makes of it is in
// fleet_workers_test.cc.
#include "services/coordinator/api/registry_service.h"

#include "tests/unit/coordinator_api/coordinator_fixture.h"

namespace center::coordinator {
namespace {

class RegistryServiceTest : public CoordinatorTest {
 protected:
  void SetUp() override {
    StartCoordinator();
    const auto started = Start(StartRequest("web"));
    ASSERT_TRUE(started.ok()) << started.status();
  }

  absl::Status Refusal(const v1::Hello& hello) {
    WorkerPeer peer(*registry_);
    peer.SayHello(hello);
    EXPECT_EQ(peer.Hear(), "") << "not welcome";
    return peer.End();
  }
};

TEST_F(RegistryServiceTest, AWorkerIsWelcomedAndToldWhatToKeep) {
  WorkerPeer peer(*registry_);
  peer.SayHello(HelloOf("web"));
  EXPECT_EQ(peer.Hear(), "welcome");
  EXPECT_EQ(peer.Hear(), "committed nothing");
  EXPECT_EQ(WorkerOf("web").address(), "unix:/run/worker.sock");
}

TEST_F(RegistryServiceTest, AWrongTokenIsRefused) {
  v1::Hello hello = HelloOf("web");
  hello.set_token("guess");
  const absl::Status refused = Refusal(hello);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(rpc::ReasonOf(refused), "WORKER_UNKNOWN");
  EXPECT_EQ(WorkerOf("web").address(), "");
}

TEST_F(RegistryServiceTest, AnotherProcessOrWorkerIsRefused) {
  v1::Hello hello = HelloOf("web");
  hello.set_pid(hello.pid() + 1);
  EXPECT_EQ(rpc::ReasonOf(Refusal(hello)), "WORKER_UNKNOWN");
  for (const char* name : {"web/1", "mail/0", "web", "web/x"}) {
    hello = HelloOf("web");
    hello.set_worker(name);
    EXPECT_EQ(rpc::ReasonOf(Refusal(hello)), "WORKER_UNKNOWN") << name;
  }
}

TEST_F(RegistryServiceTest, AnAddressThatIsNoneIsABadField) {
  v1::Hello hello = HelloOf("web");
  hello.set_address("somewhere");
  const absl::Status refused = Refusal(hello);
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("hello.address"));
}

TEST_F(RegistryServiceTest, ALineThatDoesNotBeginWithAHelloIsClosed) {
  WorkerPeer peer(*registry_);
  peer.Beat(v1::WORKER_STATE_READY);
  const absl::Status closed = peer.End();
  EXPECT_TRUE(absl::IsInvalidArgument(closed));
  EXPECT_EQ(rpc::ReasonOf(closed), "HELLO_MISSING");
  EXPECT_EQ(rpc::ReasonOf(Refusal({})), "HELLO_MISSING") << "a hello without a name";
}

TEST_F(RegistryServiceTest, ASecondRegistrationReplacesTheFirst) {
  const auto first = MakeReady("web");
  v1::Hello again = HelloOf("web");
  again.set_address("unix:/run/other.sock");
  WorkerPeer second(*registry_);
  second.SayHello(again);
  EXPECT_EQ(second.Hear(), "welcome");
  const absl::Status closed = first->End();
  EXPECT_TRUE(absl::IsAborted(closed)) << closed;
  EXPECT_EQ(WorkerOf("web").address(), "unix:/run/other.sock");
  EXPECT_EQ(second.Hear(), "committed nothing");
  // The second line works after the first one's end.
  v1::WorkerStats stats;
  stats.set_payloads(5);
  second.Beat(v1::WORKER_STATE_READY, stats);
  EXPECT_TRUE(Eventually([&] { return WorkerOf("web").stats().payloads() == 5; }));
}

TEST_F(RegistryServiceTest, CountersOfHeartbeatsAreInTheListOfWorkers) {
  const auto peer = MakeReady("web");
  v1::WorkerStats stats;
  stats.set_connections(2);
  stats.set_connections_accepted(30);
  stats.set_payloads(400);
  stats.set_bytes(5000);
  stats.set_end_offset(400);
  stats.mutable_cpu_time()->set_seconds(6);
  peer->Beat(v1::WORKER_STATE_READY, stats);
  v1::Worker listed;
  EXPECT_TRUE(Eventually([&] {
    auto list = Call(&Servers::ListWorkers, v1::ListWorkersRequest());
    if (!list.ok() || list->workers_size() != 1) return false;
    listed = list->workers(0);
    return listed.stats().payloads() != 0;
  }));
  EXPECT_EQ(listed.name(), "web/0");
  EXPECT_EQ(listed.stats().SerializeAsString(), stats.SerializeAsString());
}

TEST_F(RegistryServiceTest, AWorkersEventIsInTheEventsUnderItsName) {
  const auto peer = MakeReady("web");
  v1::RegisterRequest request;
  request.mutable_event()->set_type(v1::EVENT_TYPE_CONNECTION_REJECTED);
  request.mutable_event()->set_subject("somebody else");
  request.mutable_event()->set_reason("too long");
  peer->Send(request);
  v1::Event found;
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext context;
    SetPatience(context);
    auto reader = events_->WatchEvents(&context, v1::WatchEventsRequest());
    v1::WatchEventsResponse response;
    while (reader->Read(&response)) found = response.event();
    return reader->Finish().ok() && found.type() == v1::EVENT_TYPE_CONNECTION_REJECTED;
  }));
  EXPECT_EQ(found.subject(), "web/0");
  EXPECT_EQ(found.reason(), "too long");
}

TEST_F(RegistryServiceTest, AWorkerIsAskedToDrainOnItsLine) {
  const auto peer = MakeReady("web");
  const int64_t pid = WorkerOf("web").pid();
  absl::StatusOr<v1::Server> stopped;
  std::thread stopping([&] { stopped = Stop("web"); });
  EXPECT_EQ(peer->Hear(), "drain now");
  peer->Beat(v1::WORKER_STATE_DRAINING);
  EndWorker(pid);
  stopping.join();
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->state(), v1::SERVER_STATE_STOPPED);
}

TEST_F(RegistryServiceTest, AWorkerMayHangUpAndCallAgain) {
  {
    const auto peer = MakeReady("web");
    peer->HangUp();
    EXPECT_TRUE(peer->End().ok());
  }
  const auto again = MakeReady("web");
  EXPECT_EQ(WorkerOf("web").restarts(), 0u);
}

}  // namespace
}  // namespace center::coordinator
