#include "services/common/http/ask.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::http {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(AskTest, AnAnswerOfAnotherThreadIsWaitedFor) {
  std::thread owner;
  const auto post = [&owner](std::function<void()> task) { owner = std::thread(std::move(task)); };
  EXPECT_THAT(Ask<int>(post, [] { return 7; }, absl::Seconds(30)), Optional(7));
  owner.join();
}

TEST(AskTest, SilenceEndsWithTheTimeoutAndALateAnswerHarmsNobody) {
  std::function<void()> kept;
  const auto post = [&kept](std::function<void()> task) { kept = std::move(task); };
  EXPECT_THAT(Ask<int>(post, [] { return 7; }, absl::Milliseconds(1)), Eq(absl::nullopt));
  ASSERT_TRUE(kept);
  kept();
}

}  // namespace
}  // namespace center::http
