// When a broken stream is called again, and what the person is told.
#include "cli/retry.h"

#include <thread>

#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Status kBroken = absl::UnavailableError("Socket closed");

class RetryTest : public CliTest {
 protected:
  std::vector<std::string> Told() const { return SplitLines(err_.Text()); }
  std::unique_ptr<Context> context_ = MakeContext();
  Reconnector reconnector_{*context_};
};

TEST_F(RetryTest, ACoordinatorThatNeverAnsweredIsAnError) {
  EXPECT_FALSE(reconnector_.ShouldRetry(kBroken));
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(RetryTest, ABrokenLineIsTriedAgainAndToldOnceEachWay) {
  reconnector_.OnProgress();
  EXPECT_TRUE(reconnector_.ShouldRetry(kBroken));
  EXPECT_TRUE(reconnector_.ShouldRetry(kBroken));
  reconnector_.OnProgress();
  reconnector_.OnProgress();
  EXPECT_THAT(Told(),
              ElementsAre(HasSubstr("is broken; trying again"), HasSubstr("connected again")));
}

TEST_F(RetryTest, WhatADyingServerEndsWithIsABrokenLine) {
  reconnector_.OnProgress();
  EXPECT_TRUE(reconnector_.ShouldRetry(absl::CancelledError("")));
  EXPECT_TRUE(reconnector_.ShouldRetry(absl::InternalError("RST_STREAM")));
}

TEST_F(RetryTest, AnAnswerIsNoBrokenLine) {
  reconnector_.OnProgress();
  EXPECT_FALSE(reconnector_.ShouldRetry(absl::NotFoundError("")));
  EXPECT_FALSE(reconnector_.ShouldRetry(absl::FailedPreconditionError("")));
  EXPECT_FALSE(reconnector_.ShouldRetry(absl::DataLossError("")));
  EXPECT_FALSE(
      reconnector_.ShouldRetry(rpc::WithReason(absl::InternalError("a bug"), "SOME_REASON")));
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(RetryTest, StopEndsTheWaitAndAllThatFollow) {
  reconnector_.OnProgress();
  std::thread stopper([&] {
    EXPECT_TRUE(Eventually([&] { return !Told().empty(); })) << "it waits now";
    reconnector_.Stop();
  });
  bool again = true;
  for (int i = 0; i < 20 && again; ++i) again = reconnector_.ShouldRetry(kBroken);
  stopper.join();
  EXPECT_FALSE(again);
  EXPECT_TRUE(reconnector_.stopped());
  EXPECT_FALSE(reconnector_.ShouldRetry(kBroken));
  reconnector_.Stop();
}

}  // namespace
}  // namespace center::cli
