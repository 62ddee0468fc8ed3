// Ten thousand connections that say nothing. This process and the worker need a descriptor for
// each.
#include <sys/resource.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

constexpr uint64_t kConnections = 10'000;
constexpr uint64_t kReservedDescriptors = 500;
constexpr uint64_t kBytesPerConnectionMax = 4096;

uint64_t Connections(Fleet& fleet) {
  const auto server = fleet.GetServer("default");
  return server.ok() ? server->workers(0).stats().connections() : 0;
}

TEST(IdleConnectionsTest, TenThousandCostLittleAndHinderNobody) {
  const uint64_t limit = RaiseDescriptorLimit();
  uint64_t connections = kConnections;
  if (limit < kConnections + kReservedDescriptors) {
    connections = limit - kReservedDescriptors;
    std::cerr << "NOTE: the descriptor limit is " << limit << "; testing " << connections
              << " connections instead of " << kConnections << ". Raise it: ulimit -Hn\n";
    ASSERT_STRNE(getenv("CI"), "true") << "CI must allow " << kConnections << " descriptors";
  }
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.set_max_connections(static_cast<uint32_t>(connections + 10));
  const uint16_t port = fleet.MustStart("default", spec);
  const pid_t worker = fleet.WorkerPid("default", 0);
  Producer active(port);
  ASSERT_TRUE(active.Send("warm up\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  const uint64_t rss_before = ResidentBytes(worker);

  std::vector<std::unique_ptr<Producer>> idle;
  idle.reserve(connections);
  while (idle.size() < connections && !HasFailure()) {
    idle.push_back(std::make_unique<Producer>(port));
  }
  ASSERT_TRUE(WaitFor([&] { return Connections(fleet) == connections + 1; }, absl::Seconds(60)))
      << Connections(fleet);
  const uint64_t grown = ResidentBytes(worker) - std::min(ResidentBytes(worker), rss_before);
  RecordProperty("bytes_per_connection", static_cast<int>(grown / connections));
  std::cout << grown / connections << " bytes of the worker's memory per idle connection\n";
  if (Slowness() == 1) {
    EXPECT_LT(grown / connections, kBytesPerConnectionMax);
  }

  // Beside them an active one is served as ever, and an idle one wakes up.
  ASSERT_TRUE(active.Send("still served\n"));
  ASSERT_TRUE(idle.back()->Send("awake\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 3));
  idle.clear();
  EXPECT_TRUE(WaitFor([&] { return Connections(fleet) == 1; }, absl::Seconds(60)))
      << Connections(fleet);
}

}  // namespace
}  // namespace center::itest
