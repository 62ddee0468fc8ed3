// The coordinator as its callers see it, over gRPC.
#include "services/coordinator/api/coordinator.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "services/common/net_address.h"
#include "tests/unit/coordinator_api/coordinator_fixture.h"

namespace center::coordinator {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> ServerNames(const v1::ListServersResponse& page) {
  std::vector<std::string> names;
  for (const auto& server : page.servers()) names.push_back(server.name());
  return names;
}

// A detail of a google.rpc.Status; empty when there is none of this type.
template <typename Detail>
Detail DetailOf(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  Detail detail;
  for (const auto& any : rich.details()) {
    if (any.Is<Detail>()) any.UnpackTo(&detail);
  }
  return detail;
}

TEST_F(CoordinatorTest, AServerIsStartedShownListedAndStopped) {
  StartCoordinator();
  auto started = Start(StartRequest("web", 2));
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_EQ(started->state(), v1::SERVER_STATE_STARTING);
  EXPECT_TRUE(ConnectTcp("127.0.0.1", static_cast<uint16_t>(started->spec().port())).ok());

  auto shown = Get("web");
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->address(), started->address());
  ASSERT_EQ(shown->workers_size(), 2);
  EXPECT_EQ(shown->workers(1).name(), "web/1");
  const auto pid = static_cast<pid_t>(shown->workers(1).pid());
  ASSERT_GT(pid, 1);
  EXPECT_EQ(::kill(pid, 0), 0) << "a process of its own";

  auto list = Call(&Servers::ListServers, v1::ListServersRequest());
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(ServerNames(*list), ElementsAre("web"));

  auto stopped = Stop("web");
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->state(), v1::SERVER_STATE_STOPPED);
  EXPECT_NE(::kill(pid, 0), 0) << "it has ended when the call answers";
  EXPECT_EQ(Get("web")->state(), v1::SERVER_STATE_STOPPED);
  EXPECT_EQ(rpc::ReasonOf(Stop("web").status()), "SERVER_STOPPED");
}

TEST_F(CoordinatorTest, AServerRunsWhenItsWorkerIsReady) {
  StartCoordinator();
  v1::StartServerRequest request = StartRequest("web");
  request.set_wait_ready(true);
  absl::StatusOr<v1::Server> started;
  std::thread starting([&] { started = Start(request); });
  // Calls of this thread must not share last_ with the other's: the list is asked for by hand.
  const auto launched = [&] {
    grpc::ClientContext context;
    SetPatience(context);
    v1::ListWorkersResponse list;
    return servers_->ListWorkers(&context, {}, &list).ok() && list.workers_size() == 1 &&
           list.workers(0).pid() != 0;
  };
  ASSERT_TRUE(Eventually(launched));
  const auto peer = std::make_unique<WorkerPeer>(*registry_);
  peer->SayHello(HelloOf("web"));
  EXPECT_EQ(peer->Hear(), "welcome");
  peer->Beat(v1::WORKER_STATE_READY);
  starting.join();
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_EQ(started->state(), v1::SERVER_STATE_RUNNING);
}

TEST_F(CoordinatorTest, ServersAreListedInPages) {
  StartCoordinator();
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(Start(StartRequest(name)).ok());
  v1::ListServersRequest request;
  request.set_page_size(2);
  auto page = Call(&Servers::ListServers, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(ServerNames(*page), ElementsAre("a", "b"));
  request.set_page_token(page->next_page_token());
  page = Call(&Servers::ListServers, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(ServerNames(*page), ElementsAre("c"));
  EXPECT_EQ(page->next_page_token(), "");
  request.set_page_token("no token");
  EXPECT_TRUE(absl::IsInvalidArgument(Call(&Servers::ListServers, request).status()));
}

TEST_F(CoordinatorTest, AnUnknownServerIsNotFoundWithItsName) {
  StartCoordinator();
  EXPECT_TRUE(absl::IsNotFound(Get("nobody").status()));
  const auto info = DetailOf<google::rpc::ErrorInfo>(last_);
  EXPECT_EQ(info.reason(), "SERVER_NOT_FOUND");
  EXPECT_EQ(info.domain(), "center.v1");
  EXPECT_EQ(info.metadata().at("server"), "nobody");
  EXPECT_EQ(rpc::ReasonOf(Stop("nobody").status()), "SERVER_NOT_FOUND");
  v1::ListWorkersRequest request;
  request.set_server("nobody");
  EXPECT_TRUE(absl::IsNotFound(Call(&Servers::ListWorkers, request).status()));
}

TEST_F(CoordinatorTest, BadFieldsAreListedInABadRequest) {
  StartCoordinator();
  v1::StartServerRequest request = StartRequest("Web", 300);
  request.mutable_spec()->set_port(70000);
  EXPECT_TRUE(absl::IsInvalidArgument(Start(request).status()));
  const auto bad = DetailOf<google::rpc::BadRequest>(last_);
  std::vector<std::string> fields;
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  EXPECT_THAT(fields, ElementsAre("name", "spec.port", "spec.workers"));
  EXPECT_TRUE(absl::IsNotFound(Get("web").status())) << "nothing was started";
}

TEST_F(CoordinatorTest, ASecondStartIsRefused) {
  StartCoordinator();
  ASSERT_TRUE(Start(StartRequest("web")).ok());
  const absl::Status refused = Start(StartRequest("web")).status();
  EXPECT_TRUE(absl::IsAlreadyExists(refused));
  EXPECT_EQ(rpc::ReasonOf(refused), "SERVER_RUNNING");
}

TEST_F(CoordinatorTest, TwoServersCannotHaveOnePort) {
  StartCoordinator();
  auto first = Start(StartRequest("first"));
  ASSERT_TRUE(first.ok()) << first.status();
  v1::StartServerRequest request = StartRequest("second");
  request.mutable_spec()->set_port(first->spec().port());
  const absl::Status refused = Start(request).status();
  EXPECT_TRUE(absl::IsAlreadyExists(refused));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr(first->address()), HasSubstr("'first'")));
  const auto info = DetailOf<google::rpc::ErrorInfo>(last_);
  EXPECT_EQ(info.reason(), "PORT_IN_USE");
  EXPECT_EQ(info.metadata().at("server"), "first");
  EXPECT_TRUE(absl::IsNotFound(Get("second").status())) << "nothing is left of it";
}

TEST_F(CoordinatorTest, ARequestIdAnswersOnceAndForOneRequestOnly) {
  StartCoordinator();
  v1::StartServerRequest request = StartRequest("web");
  request.set_request_id("r1");
  auto first = Start(request);
  ASSERT_TRUE(first.ok()) << first.status();
  auto again = Start(request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  request.set_name("other");
  EXPECT_TRUE(absl::IsInvalidArgument(Start(request).status()));
  const auto bad = DetailOf<google::rpc::BadRequest>(last_);
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), "request_id");
  EXPECT_TRUE(absl::IsNotFound(Get("other").status()));
}

TEST_F(CoordinatorTest, ItTellsAboutItself) {
  StartCoordinator();
  ASSERT_TRUE(Start(StartRequest("web", 2)).ok());
  auto answer = Call(&Servers::GetCoordinator, v1::GetCoordinatorRequest());
  ASSERT_TRUE(answer.ok()) << answer.status();
  const v1::Coordinator& self = answer->coordinator();
  EXPECT_EQ(self.pid(), ::getpid());
  EXPECT_EQ(self.version(), CENTER_VERSION);
  EXPECT_EQ(self.data_dir(), options_.data_dir);
  EXPECT_EQ(self.servers(), 1u);
  EXPECT_EQ(self.workers(), 2u);
  ASSERT_EQ(self.addresses_size(), 1);
  EXPECT_EQ(self.addresses(0), options_.listen[0].ToString());
  struct stat status{};
  ASSERT_EQ(::stat(options_.listen[0].path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(CoordinatorTest, ASecondCoordinatorOnTheDataDirectoryIsRefused) {
  StartCoordinator();
  CoordinatorOptions second = options_;
  second.listen = {{.is_unix = true, .path = scratch_.path() + "/second.sock"}};
  const absl::Status refused = Coordinator::Create(second).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(options_.data_dir));
  EXPECT_TRUE(absl::IsNotFound(Get("web").status())) << "the first one still answers";
}

TEST_F(CoordinatorTest, AnAddressInUseIsRefusedAndNothingIsLeft) {
  StartCoordinator();
  CoordinatorOptions second = options_;
  second.data_dir = scratch_.path() + "/second";
  absl::Status refused = Coordinator::Create(second).status();
  EXPECT_TRUE(absl::IsAlreadyExists(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(options_.listen[0].ToString()));

  auto taken = ListenTcp("127.0.0.1", 0, 1);
  ASSERT_TRUE(taken.ok());
  const NetAddress tcp{.host = "127.0.0.1", .port = *LocalPort(taken->get())};
  second.listen = {{.is_unix = true, .path = scratch_.path() + "/second.sock"}, tcp};
  refused = Coordinator::Create(second).status();
  EXPECT_TRUE(absl::IsAlreadyExists(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(tcp.ToString()));

  taken->Reset();
  EXPECT_TRUE(Coordinator::Create(second).ok()) << "its data directory is free";
  EXPECT_TRUE(absl::IsNotFound(Get("web").status())) << "the first one still answers";
}

TEST_F(CoordinatorTest, ItServesTcpOnThePortThatTheKernelChose) {
  options_.listen.push_back({.host = "127.0.0.1", .port = 0});
  StartCoordinator();
  ASSERT_EQ(coordinator_->addresses().size(), 2u);
  EXPECT_NE(coordinator_->addresses()[1].port, 0);
  servers_ = v1::ServerService::NewStub(rpc::MakeChannel(coordinator_->addresses()[1]));
  EXPECT_TRUE(absl::IsNotFound(Get("web").status()));
}

TEST_F(CoordinatorTest, TheNextCoordinatorStartsTheSameServersOnTheirPorts) {
  StartCoordinator();
  auto kept = Start(StartRequest("kept", 2));
  ASSERT_TRUE(kept.ok()) << kept.status();
  ASSERT_TRUE(Start(StartRequest("stopped")).ok());
  ASSERT_TRUE(Stop("stopped").ok());
  StopNow();
  StartCoordinator();
  auto again = Get("kept");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->state(), v1::SERVER_STATE_STARTING);
  EXPECT_EQ(again->address(), kept->address());
  EXPECT_NE(again->workers(0).pid(), kept->workers(0).pid());
  EXPECT_EQ(Get("stopped")->state(), v1::SERVER_STATE_STOPPED);
}

}  // namespace
}  // namespace center::coordinator
