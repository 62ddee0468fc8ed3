// Starting, stopping and what can go wrong with it; a coordinator that comes back.
#include <signal.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "services/common/rpc/status.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;

TEST(LifecycleTest, ASecondStartOfARunningServerIsRefused) {
  Fleet fleet;
  fleet.MustStart("default", SmallSpec());
  const pid_t pid = fleet.WorkerPid("default", 0);
  const auto again = fleet.StartServer("default", SmallSpec());
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists) << again.status();
  EXPECT_EQ(rpc::ReasonOf(again.status()), "SERVER_RUNNING");
  EXPECT_EQ(fleet.WorkerPid("default", 0), pid);
}

TEST(LifecycleTest, TwoServersOnOnePortLeaveNothingHalfStarted) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("first", SmallSpec());
  v1::ServerSpec spec = SmallSpec();
  spec.set_port(port);
  const auto second = fleet.StartServer("second", spec);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
  EXPECT_EQ(rpc::ReasonOf(second.status()), "PORT_IN_USE");
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(absl::StrCat(port)));
  const auto left = fleet.GetServer("second");
  EXPECT_EQ(left.status().code(), absl::StatusCode::kNotFound) << left.status();
}

TEST(LifecycleTest, APortOfAnotherProcessIsRefused) {
  Fleet fleet;
  const auto taken = ListenTcp("127.0.0.1", 0, 1);
  ASSERT_TRUE(taken.ok());
  v1::ServerSpec spec = SmallSpec();
  spec.set_port(*LocalPort(taken->get()));
  const auto server = fleet.StartServer("default", spec);
  EXPECT_EQ(rpc::ReasonOf(server.status()), "PORT_IN_USE") << server.status();
}

TEST(LifecycleTest, UnknownAndStoppedServersAreToldApart) {
  Fleet fleet;
  EXPECT_EQ(rpc::ReasonOf(fleet.GetServer("nobody").status()), "SERVER_NOT_FOUND");
  EXPECT_EQ(rpc::ReasonOf(fleet.StopServer("nobody").status()), "SERVER_NOT_FOUND");
  fleet.MustStart("default", SmallSpec());
  const auto stopped = fleet.StopServer("default");
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->state(), v1::SERVER_STATE_STOPPED);
  EXPECT_EQ(rpc::ReasonOf(fleet.StopServer("default").status()), "SERVER_STOPPED");
}

TEST(LifecycleTest, MalformedSettingsAreNamed) {
  Fleet fleet;
  const auto name = fleet.StartServer("Not A Name", SmallSpec());
  EXPECT_EQ(name.status().code(), absl::StatusCode::kInvalidArgument) << name.status();
  v1::ServerSpec spec = SmallSpec();
  spec.set_port(70'000);
  spec.set_workers(100'000);
  const auto server = fleet.StartServer("default", spec);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("port"));
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("workers"));
}

TEST(LifecycleTest, AStoppedServerKeepsItsPayloadsAndSettings) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  {
    Producer producer(port);
    ASSERT_TRUE(producer.Send("kept 1\nkept 2\n"));
    producer.Finish();
    ASSERT_TRUE(producer.WaitClosed(absl::Seconds(10)));
  }
  ASSERT_TRUE(fleet.StopServer("default", /*now=*/false).ok());
  // Nothing is set: everything keeps its stored value, the port that the kernel chose excepted.
  v1::ServerSpec same;
  same.set_port(0);
  const auto server = fleet.StartServer("default", same);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(server->spec().workers(), 2u);
  EXPECT_EQ(server->spec().segment_bytes(), 1u << 20);
  EXPECT_EQ(CountOf(ReadAll(fleet.channel(), "default")), 2u);
}

TEST(LifecycleTest, ADrainLetsOpenConnectionsFinish) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  Producer producer(port);
  ASSERT_TRUE(producer.Send("before\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  absl::StatusOr<v1::Server> stopped = absl::UnknownError("not called");
  std::thread stop([&] { stopped = fleet.StopServer("default", /*now=*/false); });
  EXPECT_TRUE(WaitFor([&] {
    const auto server = fleet.GetServer("default");
    return server.ok() && server->state() == v1::SERVER_STATE_DRAINING;
  }));
  EXPECT_TRUE(producer.Send("during\n"));
  producer.Finish();
  stop.join();
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  ASSERT_TRUE(fleet.StartServer("default", SmallSpec()).ok());
  EXPECT_THAT(SortedPayloads(ReadAll(fleet.channel(), "default")),
              ::testing::ElementsAre("before", "during"));
}

TEST(LifecycleTest, AWorkerThatIsKilledIsRestartedAndTheCauseIsTold) {
  Fleet fleet;
  fleet.MustStart("default", SmallSpec(2));
  const pid_t victim = fleet.WorkerPid("default", 1);
  const pid_t other = fleet.WorkerPid("default", 0);
  ASSERT_TRUE(KillProcess(victim));
  const auto died = fleet.WaitEvent(v1::EVENT_TYPE_WORKER_DIED, "default/1");
  ASSERT_TRUE(died.ok()) << died.status();
  EXPECT_THAT(died->reason(), HasSubstr("SIGKILL"));
  ASSERT_TRUE(fleet.WaitReady("default", victim));
  EXPECT_EQ(fleet.WorkerPid("default", 0), other);
  const auto server = fleet.GetServer("default");
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->workers(1).last_exit().signal(), SIGKILL);
  EXPECT_EQ(server->workers(1).restarts(), 1u);
}

TEST(LifecycleTest, ARestartedCoordinatorGoesOnWithItsServers) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec(2);
  const uint16_t port = fleet.MustStart("kept", spec);
  fleet.MustStart("idle", SmallSpec());
  ASSERT_TRUE(fleet.StopServer("idle").ok());
  {
    Producer producer(port);
    ASSERT_TRUE(producer.Send("one\n"));
    ASSERT_TRUE(fleet.WaitStored("kept", 1));
  }
  fleet.Stop();
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("kept"));
  const auto kept = fleet.GetServer("kept");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->spec().workers(), 2u);
  EXPECT_EQ(kept->spec().port(), port);
  const auto idle = fleet.GetServer("idle");
  ASSERT_TRUE(idle.ok()) << idle.status();
  EXPECT_EQ(idle->state(), v1::SERVER_STATE_STOPPED);
  Producer producer(port);
  ASSERT_TRUE(producer.Send("two\n"));
  EXPECT_TRUE(fleet.WaitStored("kept", 2));
}

TEST(LifecycleTest, ASecondCoordinatorOnTheSameFolderIsRefused) {
  Fleet fleet;
  const RunResult second =
      RunToEnd(Binary("center-coordinator"),
               {"--data-dir", fleet.data_dir(), "--listen",
                absl::StrCat("unix:", fleet.dir() / "other.sock"), "--http", "off"});
  EXPECT_EQ(second.exit_code, 1) << second.err;
  EXPECT_THAT(second.err, HasSubstr(fleet.data_dir()));
}

TEST(LifecycleTest, StartIsIdempotentUnderItsRequestId) {
  Fleet fleet;
  v1::StartServerRequest request;
  request.set_name("default");
  request.set_request_id("start-1");
  *request.mutable_spec() = SmallSpec();
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    v1::StartServerResponse response;
    const grpc::Status status =
        v1::ServerService::NewStub(fleet.channel())->StartServer(&context, request, &response);
    EXPECT_TRUE(status.ok()) << i << ": " << status.error_message();
    EXPECT_EQ(response.server().name(), "default");
  }
}

}  // namespace
}  // namespace center::itest
