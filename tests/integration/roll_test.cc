// Rolling restarts, scaling and new settings under producers that connect without pause: nobody is
// refused, nobody is reset, and every payload is stored once.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "services/common/rpc/status.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;

// One after the other, each thread connects, sends lines, ends its side and waits for the end of
// the stream: that the worker stored everything.
class ConnectStorm {
 public:
  static constexpr int kLines = 5;

  ConnectStorm(uint16_t port, int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, port, i] {
        for (int n = 0; !over_.load(); ++n) One(port, absl::StrCat(i, ".", n));
      });
    }
  }
  ~ConnectStorm() { End(); }

  void End() {
    over_.store(true);
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  // Returns when this many more connections have ended.
  bool WaitMore(int connections) {
    const int before = served_.load();
    return WaitFor([&] { return served_.load() >= before + connections; });
  }

  int served() const { return served_.load(); }
  int refused() const { return refused_.load(); }
  int broken() const { return broken_.load(); }

 private:
  void One(uint16_t port, const std::string& name) {
    auto socket = ConnectTcp("127.0.0.1", port);
    if (!socket.ok()) {
      ++refused_;
      return;
    }
    std::string lines;
    for (int i = 0; i < kLines; ++i) absl::StrAppend(&lines, name, ".", i, "\n");
    const bool sent = ::send(socket->get(), lines.data(), lines.size(), MSG_NOSIGNAL) ==
                      static_cast<ssize_t>(lines.size());
    ::shutdown(socket->get(), SHUT_WR);
    pollfd end{.fd = socket->get(), .events = POLLIN};
    char byte = 0;
    const bool closed = ::poll(&end, 1, 60'000) == 1 && ::recv(socket->get(), &byte, 1, 0) == 0;
    ++(sent && closed ? served_ : broken_);
  }

  std::atomic<bool> over_{false};
  std::atomic<int> served_{0};
  std::atomic<int> refused_{0};
  std::atomic<int> broken_{0};
  std::vector<std::thread> threads_;
};

std::vector<pid_t> Pids(Fleet& fleet) {
  std::vector<pid_t> pids;
  const auto server = fleet.GetServer("default");
  EXPECT_TRUE(server.ok()) << server.status();
  if (!server.ok()) return pids;
  for (const v1::Worker& worker : server->workers()) pids.push_back(worker.pid());
  return pids;
}

void ExpectNothingLost(Fleet& fleet, ConnectStorm& storm) {
  storm.End();
  EXPECT_EQ(storm.refused(), 0);
  EXPECT_EQ(storm.broken(), 0);
  EXPECT_GT(storm.served(), 0);
  const auto stored = ReadAll(fleet.channel(), "default");
  EXPECT_EQ(CountOf(stored), static_cast<uint64_t>(storm.served()) * ConnectStorm::kLines);
}

class RollTest : public testing::TestWithParam<uint32_t> {};

TEST_P(RollTest, ARollingRestartUnderAConnectStormCostsNobodyAnything) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(GetParam()));
  const std::vector<pid_t> before = Pids(fleet);
  ConnectStorm storm(port, 4);
  ASSERT_TRUE(storm.WaitMore(20));
  const RunResult restarted = fleet.Ctl({"server", "restart"});
  EXPECT_EQ(restarted.exit_code, 0) << restarted.err;
  ASSERT_TRUE(storm.WaitMore(20));
  ExpectNothingLost(fleet, storm);
  for (const pid_t pid : Pids(fleet)) {
    EXPECT_EQ(std::count(before.begin(), before.end(), pid), 0) << "this one was not replaced";
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, RollTest, testing::Values(1u, 8u));

TEST(ScaleTest, UpAndDownUnderAConnectStormCostsNobodyAnything) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  const std::vector<pid_t> before = Pids(fleet);
  ConnectStorm storm(port, 4);
  ASSERT_TRUE(storm.WaitMore(20));
  EXPECT_EQ(fleet.Ctl({"server", "scale", "4"}).exit_code, 0);
  const std::vector<pid_t> more = Pids(fleet);
  ASSERT_EQ(more.size(), 4u);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), more.begin())) << "these were not to change";
  ASSERT_TRUE(storm.WaitMore(20));
  EXPECT_EQ(fleet.Ctl({"server", "scale", "2"}).exit_code, 0);
  EXPECT_EQ(Pids(fleet), before);
  ASSERT_TRUE(storm.WaitMore(20));
  // Back again, so that their journals are read.
  EXPECT_EQ(fleet.Ctl({"server", "scale", "4"}).exit_code, 0);
  ExpectNothingLost(fleet, storm);
}

TEST(UpdateTest, NewSettingsReachTheWorkersThatRun) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  ConnectStorm storm(port, 2);
  ASSERT_TRUE(storm.WaitMore(10));
  const RunResult changed =
      fleet.Ctl({"server", "params", "--set", "idle-timeout=5m", "--set", "restart=on-failure"});
  EXPECT_EQ(changed.exit_code, 0) << changed.err;
  EXPECT_THAT(changed.out, HasSubstr("rolling restart"));
  EXPECT_THAT(fleet.Ctl({"server", "params"}).out, HasSubstr("5m"));
  ASSERT_TRUE(storm.WaitMore(10));
  ExpectNothingLost(fleet, storm);
}

TEST(UpdateTest, SettingsThatNoWorkerCanRunWithLeaveTheOthersServing) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  const RunResult changed =
      fleet.Ctl({"server", "params", "--set", "task-module=/nonexistent/tasks.so"});
  EXPECT_EQ(changed.exit_code, 64 + static_cast<int>(absl::StatusCode::kAborted)) << changed.err;
  EXPECT_THAT(changed.err, AllOf(HasSubstr("default/0 did not become READY"),
                                 HasSubstr("/nonexistent/tasks.so")));
  EXPECT_TRUE(ConnectTcp("127.0.0.1", port).ok());
  const auto server = fleet.GetServer("default");
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->workers(1).state(), v1::WORKER_STATE_READY);
  // The way out.
  EXPECT_EQ(fleet.Ctl({"server", "params", "--reset", "task-module"}).exit_code, 0);
  EXPECT_TRUE(fleet.WaitReady("default"));
}

TEST(UpdateTest, OneWorkerIsReplacedAlone) {
  Fleet fleet;
  fleet.MustStart("default", SmallSpec(2));
  const std::vector<pid_t> before = Pids(fleet);
  EXPECT_EQ(fleet.Ctl({"worker", "restart", "default/1"}).exit_code, 0);
  const std::vector<pid_t> after = Pids(fleet);
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_NE(after[1], before[1]);
}

}  // namespace
}  // namespace center::itest
