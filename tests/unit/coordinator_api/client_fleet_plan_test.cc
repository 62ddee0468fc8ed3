// Starts that only say what they would do, and settings that get their defaults again.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator_api/client_fleet_fixture.h"

namespace center::coordinator {
namespace {

using testing::IsEmpty;

class ClientFleetPlanTest : public ClientFleetTest {
 protected:
  // A client that is there and does not run, with settings of its own.
  void LeaveStopped() {
    v1::StartClientRequest request = Request(2);
    request.mutable_spec()->set_count(50);
    request.mutable_spec()->set_payload_bytes(100);
    request.mutable_spec()->set_address("10.0.0.7:99");
    StartRunning(request);
    const std::vector<int64_t> pids = {Pid(0), Pid(1)};
    const Later stopped = StopLater();
    for (const int64_t pid : pids) Exit(pid);
    ASSERT_TRUE(stopped->has_value());
  }
};

TEST_F(ClientFleetPlanTest, ADryRunAnswersWithTheSettingsAndStartsNothing) {
  v1::StartClientRequest request = Request(3, "load");
  request.set_dry_run(true);
  request.set_request_id("once");
  const Later answer = StartLater(request);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  const v1::Client& planned = ***answer;
  EXPECT_EQ(planned.name(), "load");
  EXPECT_EQ(planned.spec().processes(), 3u);
  EXPECT_EQ(planned.spec().pace().interval().seconds(), 5);
  EXPECT_EQ(planned.address(), "127.0.0.1:5000");
  EXPECT_EQ(planned.state(), v1::CLIENT_STATE_UNSPECIFIED);
  EXPECT_THAT(launcher_->processes, IsEmpty());
  EXPECT_TRUE(store_->ListClients()->empty());
  EXPECT_THAT(EventNames(), IsEmpty());
  request.set_dry_run(false);
  StartRunning(request);
}

TEST_F(ClientFleetPlanTest, ADryRunIsRefusedAsTheStartWouldBe) {
  v1::StartClientRequest request = Request();
  request.set_dry_run(true);
  servers_["default"].running = false;
  EXPECT_EQ(Reason(StartLater(request)), "SERVER_STOPPED");
  servers_["default"].running = true;
  StartRunning(Request());
  EXPECT_EQ(Reason(StartLater(request)), "CLIENT_RUNNING");
}

TEST_F(ClientFleetPlanTest, WhatIsResetHasItsDefaultAndTheRestIsAsItWas) {
  LeaveStopped();
  v1::StartClientRequest request;
  request.add_reset("count");
  request.add_reset("processes");
  StartRunning(request);
  EXPECT_EQ(Get().spec().count(), 0u);
  EXPECT_EQ(Get().spec().processes(), 1u);
  EXPECT_EQ(Get().spec().payload_bytes(), 100u);
  EXPECT_EQ(Get().spec().address(), "10.0.0.7:99");
}

TEST_F(ClientFleetPlanTest, ATargetIsResetAsAWhole) {
  LeaveStopped();
  v1::StartClientRequest request;
  request.add_reset("server");
  request.set_dry_run(true);
  const Later answer = StartLater(request);
  ASSERT_TRUE(answer->has_value() && (*answer)->ok());
  EXPECT_EQ((**answer)->spec().server(), "default");
  EXPECT_EQ((**answer)->spec().address(), "");
}

TEST_F(ClientFleetPlanTest, AResetOfWhatIsNoneOrIsSetIsRefused) {
  v1::StartClientRequest unknown;
  unknown.add_reset("colour");
  Later answer = StartLater(unknown);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsInvalidArgument((*answer)->status())) << (*answer)->status();
  v1::StartClientRequest both = Request(2);
  both.add_reset("processes");
  answer = StartLater(both);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsInvalidArgument((*answer)->status())) << (*answer)->status();
}

}  // namespace
}  // namespace center::coordinator
