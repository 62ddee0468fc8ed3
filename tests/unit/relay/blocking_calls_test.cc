#include "services/coordinator/relay/blocking_calls.h"

#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace center::relay {
namespace {

TEST(BlockingCallsTest, RunsInOrderAndFinishesBeforeItGoes) {
  std::vector<int> seen;
  {
    BlockingCalls calls;
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(calls.Post([&seen, i] { seen.push_back(i); }));
  }
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(BlockingCallsTest, RefusesMoreThanItsLimit) {
  absl::Notification started;
  absl::Notification go;
  BlockingCalls calls;
  ASSERT_TRUE(calls.Post([&] {
    started.Notify();
    go.WaitForNotification();
  }));
  started.WaitForNotification();
  for (size_t i = 0; i < BlockingCalls::kWaitingMax; ++i) ASSERT_TRUE(calls.Post([] {}));
  EXPECT_FALSE(calls.Post([] {}));
  go.Notify();
}

}  // namespace
}  // namespace center::relay
