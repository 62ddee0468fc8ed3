// Long connections end up evenly shared between the workers of a server.
#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

// One server with connections that stay open.
class Shared {
 public:
  explicit Shared(uint32_t workers) : workers_(workers) {
    port_ = fleet_.MustStart("default", SmallSpec(workers));
  }

  void Connect(size_t connections) {
    while (producers_.size() < connections) {
      producers_.push_back(std::make_unique<Producer>(port_));
    }
  }
  // The most minus the fewest connections of a worker, once the workers have told of all of them;
  // -1 when they do not.
  int64_t Spread() {
    std::vector<uint64_t> counts;
    const bool told = WaitFor([&] {
      counts.clear();
      const auto server = fleet_.GetServer("default");
      if (!server.ok()) return false;
      for (const v1::Worker& worker : server->workers()) {
        counts.push_back(worker.stats().connections());
      }
      return std::accumulate(counts.begin(), counts.end(), uint64_t{0}) == producers_.size();
    });
    if (!told || counts.empty()) return -1;
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    return static_cast<int64_t>(*most - *least);
  }
  // Kills a worker; whoever was cut connects again.
  void ReplaceOne() {
    const pid_t victim = fleet_.WorkerPid("default", workers_ - 1);
    ASSERT_TRUE(KillProcess(victim));
    ASSERT_TRUE(fleet_.WaitReady("default", victim));
    const size_t connections = producers_.size();
    std::erase_if(producers_,
                  [](const auto& producer) { return producer->WaitClosed(absl::ZeroDuration()); });
    ASSERT_LT(producers_.size(), connections) << "it had no connection";
    Connect(connections);
  }

 private:
  Fleet fleet_;
  const uint32_t workers_;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<Producer>> producers_;
};

// A worker that the machine does not let run for long enough is not waited for, so that it may take
// more than one attempt; without any fairness five would not do either.
bool WithinOne(uint32_t workers, size_t connections) {
  constexpr int kAttempts = 5;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Shared shared(workers);
    shared.Connect(connections);
    const int64_t first = shared.Spread();
    shared.ReplaceOne();
    const int64_t second = shared.Spread();
    if (testing::Test::HasFailure() || first < 0 || second < 0) return false;
    if (first <= 1 && second <= 1) return true;
  }
  return false;
}

TEST(FairnessTest, SevenConnectionsOverThreeWorkers) { EXPECT_TRUE(WithinOne(3, 7)); }

TEST(FairnessTest, SixtyFourConnectionsOverEightWorkers) { EXPECT_TRUE(WithinOne(8, 64)); }

}  // namespace
}  // namespace center::itest
