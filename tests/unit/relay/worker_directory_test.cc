#include "services/coordinator/relay/worker_directory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/status.h"

namespace center::relay {
namespace {

TEST(WorkerDirectoryTest, KnowsWhatItWasTold) {
  WorkerDirectory directory;
  EXPECT_EQ(rpc::ReasonOf(directory.Get("default").status()), "SERVER_NOT_FOUND");
  directory.SetServer("default", {{"default/0", "unix:/a", 1}}, true);
  const auto snapshot = directory.Get("default");
  ASSERT_TRUE(snapshot.ok());
  EXPECT_TRUE(snapshot->running);
  EXPECT_THAT(snapshot->workers, ::testing::ElementsAre(WorkerEndpoint{"default/0", "unix:/a", 1}));
  directory.RemoveServer("default");
  EXPECT_FALSE(directory.Get("default").ok());
}

TEST(WorkerDirectoryTest, WatchersHearOfChangesOnly) {
  WorkerDirectory directory;
  int calls = 0;
  auto watch = directory.AddWatch("default", [&] {
    ++calls;
    (void)directory.Get("default");  // must not deadlock
  });
  directory.SetServer("default", {}, false);
  EXPECT_EQ(calls, 1);
  directory.SetServer("default", {}, false);
  EXPECT_EQ(calls, 1);
  directory.SetServer("other", {}, true);
  EXPECT_EQ(calls, 1);
  directory.SetServer("default", {{"default/0", "", 0}}, true);
  directory.SetServer("default", {{"default/0", "unix:/a", 1}}, true);
  EXPECT_EQ(calls, 3);
  directory.RemoveServer("default");
  EXPECT_EQ(calls, 4);
  directory.RemoveServer("default");
  EXPECT_EQ(calls, 4);
  watch = WorkerDirectory::Watch();
  directory.SetServer("default", {}, true);
  EXPECT_EQ(calls, 4);
}

TEST(WorkerDirectoryTest, WatchMayEndInsideItsOwnCallback) {
  WorkerDirectory directory;
  WorkerDirectory::Watch watch;
  int calls = 0;
  watch = directory.AddWatch("default", [&] {
    ++calls;
    watch = WorkerDirectory::Watch();
  });
  directory.SetServer("default", {}, true);
  directory.SetServer("default", {}, false);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace center::relay
