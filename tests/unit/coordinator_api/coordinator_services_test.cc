// What the coordinator serves beside its servers: events, health, reflection, channelz; and how all
// of it ends.
#include <set>

#include "grpcpp/generic/generic_stub.h"
#include "services/coordinator/api/event_service.h"
#include "tests/unit/coordinator_api/coordinator_fixture.h"

namespace center::coordinator {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// One stream of events.
class EventReader {
 public:
  EventReader(v1::EventService::Stub& stub, const v1::WatchEventsRequest& request) {
    SetPatience(context_);
    reader_ = stub.WatchEvents(&context_, request);
  }
  ~EventReader() {
    context_.TryCancel();
    while (!Next().empty()) {
    }
    if (!finished_) reader_->Finish();
  }
  // "subject TYPE"; "" at the end.
  std::string Next() {
    v1::WatchEventsResponse response;
    if (!reader_->Read(&response)) return "";
    last_id_ = response.event().id();
    return absl::StrCat(
        response.event().subject(), " ",
        absl::StripPrefix(v1::EventType_Name(response.event().type()), "EVENT_TYPE_"));
  }
  absl::Status End() {
    finished_ = true;
    return rpc::FromGrpc(reader_->Finish());
  }
  uint64_t last_id() const { return last_id_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader_;
  uint64_t last_id_ = 0;
  bool finished_ = false;
};

class CoordinatorServicesTest : public CoordinatorTest {
 protected:
  void SetUp() override { StartCoordinator(); }

  static v1::WatchEventsRequest Watch(bool follow, uint64_t since_id = 0) {
    v1::WatchEventsRequest request;
    request.set_follow(follow);
    request.set_since_id(since_id);
    return request;
  }

  // One message to a method of a service whose proto files nobody installs, and one back.
  std::string RawCall(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    SetPatience(context);
    const auto step = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    auto call = stub.PrepareCall(&context, method, &queue);
    call->StartCall(nullptr);
    EXPECT_TRUE(step()) << method;
    const grpc::Slice slice(request);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    EXPECT_TRUE(step()) << method;
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    const bool answered = step();
    grpc::Status status;
    call->Finish(&status, nullptr);
    EXPECT_TRUE(step());
    EXPECT_TRUE(status.ok()) << method << ": " << status.error_message();
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (!answered || !answer.Dump(&slices).ok()) return bytes;
    for (const grpc::Slice& part : slices) bytes.append(part.begin(), part.end());
    return bytes;
  }
  // HealthCheckRequest{service = 1} -> HealthCheckResponse{status = 1}.
  int Health(const std::string& service) {
    const std::string answer =
        RawCall("/grpc.health.v1.Health/Check",
                absl::StrCat("\x0a", std::string(1, static_cast<char>(service.size())), service));
    return answer.size() == 2 && answer[0] == 0x08 ? answer[1] : -1;
  }
  static constexpr int kServing = 1;
  static constexpr int kNotServing = 2;
};

TEST_F(CoordinatorServicesTest, EventsTellWhatHappenedInOrder) {
  ASSERT_TRUE(Start(StartRequest("web")).ok());
  ASSERT_TRUE(Stop("web").ok());
  EventReader reader(*events_, Watch(/*follow=*/false));
  EXPECT_EQ(reader.Next(), "coordinator COORDINATOR_STARTED");
  EXPECT_EQ(reader.Next(), "web SERVER_STARTED");
  EXPECT_EQ(reader.Next(), "web/0 WORKER_STARTED");
  EXPECT_EQ(reader.Next(), "web/0 WORKER_DRAINING");
  EXPECT_EQ(reader.Next(), "web/0 WORKER_STOPPED");
  EXPECT_EQ(reader.Next(), "web SERVER_STOPPED");
  EXPECT_EQ(reader.Next(), "");
  EXPECT_TRUE(reader.End().ok());
}

TEST_F(CoordinatorServicesTest, AFollowerHearsEventsAsTheyHappenAndGoesOnWhereItWas) {
  uint64_t heard = 0;
  {
    EventReader reader(*events_, Watch(/*follow=*/true));
    EXPECT_EQ(reader.Next(), "coordinator COORDINATOR_STARTED");
    ASSERT_TRUE(Start(StartRequest("web")).ok());
    EXPECT_EQ(reader.Next(), "web SERVER_STARTED");
    heard = reader.last_id();
  }
  EventReader reader(*events_, Watch(/*follow=*/true, heard));
  EXPECT_EQ(reader.Next(), "web/0 WORKER_STARTED");
  EXPECT_GT(reader.last_id(), heard);
}

TEST_F(CoordinatorServicesTest, EventsCanBeThoseOfOneServer) {
  ASSERT_TRUE(Start(StartRequest("web")).ok());
  ASSERT_TRUE(Start(StartRequest("mail")).ok());
  v1::WatchEventsRequest request = Watch(/*follow=*/false);
  request.set_server("mail");
  EventReader reader(*events_, request);
  EXPECT_EQ(reader.Next(), "mail SERVER_STARTED");
  EXPECT_EQ(reader.Next(), "mail/0 WORKER_STARTED");
  EXPECT_EQ(reader.Next(), "");
}

TEST_F(CoordinatorServicesTest, MoreEventsThanAPageComeOnceEach) {
  constexpr int kServers = 40;
  for (int i = 0; i < kServers; ++i) {
    v1::StartServerRequest request = StartRequest(absl::StrCat("s", i));
    ASSERT_TRUE(Start(request).ok());
  }
  EventReader reader(*events_, Watch(/*follow=*/false));
  std::multiset<std::string> names;
  uint64_t before = 0;
  for (std::string name = reader.Next(); !name.empty(); name = reader.Next()) {
    EXPECT_GT(reader.last_id(), before);
    before = reader.last_id();
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 1u + 2 * kServers);
  for (int i = 0; i < kServers; ++i) {
    EXPECT_EQ(names.count(absl::StrCat("s", i, " SERVER_STARTED")), 1u) << i;
  }
}

TEST_F(CoordinatorServicesTest, AStreamCannotBeginAtTwoPlaces) {
  v1::WatchEventsRequest request = Watch(/*follow=*/true, 1);
  request.mutable_since_time()->set_seconds(1);
  EventReader reader(*events_, request);
  EXPECT_EQ(reader.Next(), "");
  const absl::Status refused = reader.End();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("since_time"));
}

TEST_F(CoordinatorServicesTest, HealthIsToldForTheWholeAndForEachService) {
  EXPECT_EQ(Health(""), kServing);
  for (const char* service :
       {"ServerService", "RegistryService", "EventService", "PayloadService"}) {
    EXPECT_EQ(Health(absl::StrCat("center.v1.", service)), kServing) << service;
  }
}

TEST_F(CoordinatorServicesTest, ReflectionListsTheServices) {
  // ServerReflectionRequest{list_services = 7: "*"}
  const std::string answer =
      RawCall("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  EXPECT_THAT(answer,
              AllOf(HasSubstr("center.v1.ServerService"), HasSubstr("center.v1.EventService"),
                    HasSubstr("center.v1.RegistryService"), HasSubstr("center.v1.PayloadService"),
                    HasSubstr("grpc.channelz.v1.Channelz"), HasSubstr("grpc.health.v1.Health")));
}

TEST_F(CoordinatorServicesTest, ChannelzShowsTheServer) {
  const std::string answer = RawCall("/grpc.channelz.v1.Channelz/GetServers", "");
  // GetServersResponse{server = 1, …}
  ASSERT_FALSE(answer.empty());
  EXPECT_EQ(answer[0], 0x0a);
}

TEST_F(CoordinatorServicesTest, WhileItStopsProbesCallersAndFollowersAreTold) {
  ASSERT_TRUE(Start(StartRequest("web")).ok());
  const auto peer = MakeReady("web");
  const int64_t pid = WorkerOf("web").pid();
  EventReader follower(*events_, Watch(/*follow=*/true));
  EXPECT_EQ(follower.Next(), "coordinator COORDINATOR_STARTED");

  coordinator_->Stop();
  EXPECT_EQ(peer->Hear(), "drain");
  peer->Beat(v1::WORKER_STATE_DRAINING);
  EXPECT_EQ(Health(""), kNotServing);
  EXPECT_EQ(Health("center.v1.ServerService"), kNotServing);
  EXPECT_EQ(Get("web")->state(), v1::SERVER_STATE_DRAINING);
  const absl::Status refused = Start(StartRequest("late")).status();
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_EQ(rpc::ReasonOf(refused), "COORDINATOR_STOPPING");

  EndWorker(pid);
  AwaitEnd();
  while (!follower.Next().empty()) {
  }
  EXPECT_EQ(rpc::ReasonOf(follower.End()), "COORDINATOR_STOPPING");
}

TEST_F(CoordinatorServicesTest, ASecondRequestToStopEndsWorkersThatDoNotFinish) {
  ASSERT_TRUE(Start(StartRequest("web")).ok());
  const auto peer = MakeReady("web");
  const auto pid = static_cast<pid_t>(WorkerOf("web").pid());
  ASSERT_GT(pid, 1);
  coordinator_->Stop();
  EXPECT_EQ(peer->Hear(), "drain");
  peer->Beat(v1::WORKER_STATE_DRAINING);
  coordinator_->Stop();
  EXPECT_EQ(peer->Hear(), "drain now");
  peer->HangUp();
  EXPECT_TRUE(peer->End().ok());
  AwaitEnd();
  EXPECT_NE(::kill(pid, 0), 0) << "killed, and reaped";
}

}  // namespace
}  // namespace center::coordinator
