// ScaleServer.
#include "tests/unit/coordinator_api/fleet_change_fixture.h"

namespace center::coordinator {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

using FleetScaleTest = FleetChangeTest;

TEST_F(FleetScaleTest, UpAnswersWhenTheNewWorkersAreReady) {
  StartReady(1);
  const int64_t first = Pid(0);
  auto answer = Scale(3);
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STARTING);
  MakeReady(1);
  EXPECT_FALSE(answer->has_value());
  MakeReady(2);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->workers_before(), 1);
  EXPECT_EQ((**answer)->server().workers_size(), 3);
  EXPECT_EQ((**answer)->server().spec().workers(), 3);
  EXPECT_EQ(Pid(0), first);
  EXPECT_THAT(EventNames(), Contains("default SERVER_SCALED"));
}

TEST_F(FleetScaleTest, DownAnswersWhenTheOldWorkersHaveEnded) {
  StartReady(3);
  const int64_t last = Pid(2);
  auto answer = Scale(2);
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_RUNNING) << "those that stay are all ready";
  EXPECT_EQ(directory_->Get("default")->workers.size(), 3) << "its journal is still read";
  EXPECT_FALSE(answer->has_value());
  Exit(last);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->server().workers_size(), 2);
}

TEST_F(FleetScaleTest, TheNumberOutlivesTheCoordinator) {
  StartReady(1);
  Scale(2);
  NewFleet();
  Reconcile();
  EXPECT_EQ(Get().workers_size(), 2);
}

TEST_F(FleetScaleTest, TheSameNumberIsDoneAtOnce) {
  StartReady(2);
  auto answer = Scale(2);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok());
  EXPECT_EQ(launcher_->launches, 2);
}

TEST_F(FleetScaleTest, ANewWorkerThatFailsIsNamed) {
  StartReady(1);
  auto answer = Scale(2);
  launcher_->Exit(Pid(1), {.exit_code = 2, .stderr_tail = "unknown flag\n"});
  Settle();
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsAborted((*answer)->status()));
  EXPECT_EQ(ReasonOf(answer), "START_FAILED");
  EXPECT_THAT(std::string((*answer)->status().message()),
              testing::AllOf(HasSubstr("default/1"), HasSubstr("unknown flag")));
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DEGRADED);
}

TEST_F(FleetScaleTest, ADeadlineAnswersAndItGoesOn) {
  StartReady(1);
  auto answer = Scale(2, clock_.Steady() + seconds(2));
  Advance(seconds(2));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded((*answer)->status()));
  MakeReady(1);
  EXPECT_EQ(Get().workers(1).state(), v1::WORKER_STATE_READY);
}

TEST_F(FleetScaleTest, StopMeanwhileIsSaid) {
  StartReady(1);
  auto answer = Scale(2);
  StopLater({});
  EXPECT_EQ(ReasonOf(answer), "SERVER_BUSY");
}

TEST_F(FleetScaleTest, RefusesWhatIsImpossible) {
  EXPECT_EQ(ReasonOf(Scale(2)), "SERVER_NOT_FOUND");
  StartReady(1);
  EXPECT_EQ(ReasonOf(Scale(0)), "INVALID_FIELDS");
  EXPECT_EQ(ReasonOf(Scale(257)), "INVALID_FIELDS");
  StopLater({});
  EXPECT_EQ(ReasonOf(Scale(2)), "SERVER_STOPPED");
}

TEST_F(FleetScaleTest, AFailedServerListensAgainForItsNewWorkers) {
  StartReady(1);
  Fail(0);
  const auto port = static_cast<uint16_t>(Get().spec().port());
  auto answer = Scale(2);
  EXPECT_TRUE(ConnectTcp("127.0.0.1", port).ok());
  MakeReady(1);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DEGRADED);
}

}  // namespace
}  // namespace center::coordinator
