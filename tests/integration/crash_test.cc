// kill -9 under load, with an oracle that counts every payload.
//
// What holds: a payload that a subscriber has seen, or that the journal had before the kill, is
// there afterwards once, at its offset, in order. What TCP never promised is not asked for: bytes
// in flight when the worker died are gone with their connection.
#include <signal.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::IsEmpty;

// Sends "<name>.<connection> <n>" until told to stop; connects again whenever the connection ends.
// Paced: at full speed the journals would outgrow their retention while the test reads them.
class Load {
 public:
  Load(uint16_t port, std::string name)
      : port_(port), name_(std::move(name)), thread_([this] { Run(); }) {}
  ~Load() { Stop(); }
  void Stop() {
    if (!stop_.HasBeenNotified()) stop_.Notify();
    if (thread_.joinable()) thread_.join();
  }
  uint64_t sent() const { return sent_; }
  int connections() const { return connections_; }

 private:
  void Run() {
    while (!stop_.HasBeenNotified()) {
      Producer producer(port_);
      const int connection = connections_++;
      for (uint64_t n = 0; !stop_.WaitForNotificationWithTimeout(kPause); n += kLinesPerWrite) {
        std::string lines;
        for (uint64_t i = n; i < n + kLinesPerWrite; ++i) {
          absl::StrAppend(&lines, name_, ".", connection, " ", i, "\n");
        }
        if (!producer.Send(lines)) break;
        sent_ += kLinesPerWrite;
      }
      producer.Finish();
      producer.WaitClosed(absl::Seconds(20));
    }
  }

  static constexpr uint64_t kLinesPerWrite = 20;
  static constexpr absl::Duration kPause = absl::Microseconds(200);
  const uint16_t port_;
  const std::string name_;
  absl::Notification stop_;
  std::atomic<uint64_t> sent_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

// The ledgers of a subscriber that followed through everything and of the journals agree,
// completely.
void ExpectReconciled(Fleet& fleet, Collector& follower) {
  // Every journalled payload must reach the follower. Of connections that were cut the last may not
  // be synced yet, and so not be visible: all is there when the workers count no more than both.
  Ledger stored, seen;
  EXPECT_TRUE(WaitFor(
      [&] {
        stored = ReadAll(fleet.channel(), "default");
        if (!follower.WaitCount(CountOf(stored), absl::Seconds(5))) return false;
        seen = follower.ledger();
        return CountOf(seen) == CountOf(stored) &&
               fleet.StoredPayloads("default") == CountOf(stored);
      },
      absl::Seconds(60)));
  EXPECT_THAT(follower.gaps(), IsEmpty());
  EXPECT_THAT(CheckConserved(seen, stored), IsEmpty());
  EXPECT_THAT(CheckConserved(stored, seen), IsEmpty());
  EXPECT_THAT(CheckSequences(stored, /*consecutive=*/true), IsEmpty());
  EXPECT_EQ(CountOf(seen), CountOf(stored));
  EXPECT_TRUE(fleet.WaitStored("default", CountOf(stored))) << fleet.StoredPayloads("default");
}

void KillWorkersUnderLoad(v1::Durability durability, int kills) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec(2);
  spec.set_durability(durability);
  const uint16_t port = fleet.MustStart("default", spec);
  Collector follower(fleet.channel(), EarliestRequest("default", /*follow=*/true));
  std::vector<std::unique_ptr<Load>> loads;
  for (int i = 0; i < 4; ++i) loads.push_back(std::make_unique<Load>(port, absl::StrCat("p", i)));

  for (int kill_number = 0; kill_number < kills; ++kill_number) {
    const uint64_t before = follower.count();
    ASSERT_TRUE(follower.WaitCount(before + 5'000)) << "nothing flows after kill " << kill_number;
    // What the journals hold at this moment is acknowledged too, seen by the follower or not.
    const Ledger held = kill_number == 0 ? ReadAll(fleet.channel(), "default") : Ledger();
    const pid_t victim = fleet.WorkerPid("default", kill_number % 2);
    ASSERT_TRUE(KillProcess(victim));
    ASSERT_TRUE(fleet.WaitReady("default", victim)) << "kill " << kill_number;
    if (!held.empty()) {
      EXPECT_THAT(CheckConserved(held, ReadAll(fleet.channel(), "default")), IsEmpty());
    }
  }
  for (auto& load : loads) load->Stop();
  ExpectReconciled(fleet, follower);
  int connections = 0;
  for (auto& load : loads) connections += load->connections();
  EXPECT_GT(connections, 4) << "no connection was cut: the kills hit nothing";
}

TEST(CrashTest, NothingSeenOrJournalledIsLostWhenWorkersAreKilled) {
  // Five deaths within 30 s are a start limit per slot, so each slot dies four times at most.
  KillWorkersUnderLoad(v1::DURABILITY_WRITTEN, 6);
}

TEST(CrashTest, TheSameWhenSyncedIsAskedFor) { KillWorkersUnderLoad(v1::DURABILITY_SYNCED, 4); }

TEST(CrashTest, WhatIsAcknowledgedIsSyncedAndReadableBefore) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec(1);
  spec.set_durability(v1::DURABILITY_SYNCED);
  const uint16_t port = fleet.MustStart("default", spec);
  // Others keep the disk busy, so that a sync takes its time.
  Load load(port, "load");
  // Each time only what came since: the journal grows for as long as this goes on.
  v1::StreamPayloadsRequest since = EarliestRequest("default", /*follow=*/false);
  since.mutable_filter()->set_contains("told.");
  for (int i = 0; i < 50; ++i) {
    Producer producer(port);
    ASSERT_TRUE(producer.Send(absl::StrCat("told.", i, " 0\n")));
    producer.Finish();
    ASSERT_TRUE(producer.WaitClosed(absl::Seconds(60)));
    Collector reader(fleet.channel(), since);
    const grpc::Status status = reader.Finish();
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_THAT(SortedPayloads(reader.ledger()),
                ::testing::ElementsAre(absl::StrCat("told.", i, " 0")))
        << "the producer was told before it was so";
    *since.mutable_start()->mutable_cursor() = reader.cursor();
  }
}

TEST(CrashTest, EverythingIsThereAfterTheWholeFleetIsKilled) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  Ledger seen;
  {
    std::vector<std::unique_ptr<Load>> loads;
    Collector follower(fleet.channel(), EarliestRequest("default", /*follow=*/true));
    for (int i = 0; i < 4; ++i) loads.push_back(std::make_unique<Load>(port, absl::StrCat("p", i)));
    ASSERT_TRUE(follower.WaitCount(20'000));
    for (auto& load : loads) load->Stop();
    const pid_t workers[] = {fleet.WorkerPid("default", 0), fleet.WorkerPid("default", 1)};
    fleet.KillCoordinator();
    for (const pid_t pid : workers) ASSERT_TRUE(KillProcess(pid));
    follower.Finish();
    seen = follower.ledger();
  }
  KillDescendants();
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("default"));
  const Ledger stored = ReadAll(fleet.channel(), "default");
  EXPECT_GE(CountOf(seen), 20'000u);
  EXPECT_THAT(CheckConserved(seen, stored), IsEmpty());
  EXPECT_THAT(CheckSequences(stored, /*consecutive=*/true), IsEmpty());
}

TEST(CrashTest, WorkersGoOnStoringWhileTheCoordinatorIsDead) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  Producer producer(port);
  ASSERT_TRUE(producer.Send("p 1\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  fleet.KillCoordinator();
  ASSERT_TRUE(producer.Send("p 2\n")) << "the worker went with its coordinator";
  producer.Finish();
  ASSERT_TRUE(producer.WaitClosed(absl::Seconds(10)));
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("default"));
  EXPECT_THAT(SortedPayloads(ReadAll(fleet.channel(), "default")),
              ::testing::ElementsAre("p 1", "p 2"));
}

TEST(CrashTest, TheSocketIsNotLostWithACoordinatorWhoseOnlyWorkerDrains) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec();
  spec.mutable_drain_timeout()->set_seconds(120);
  const uint16_t port = fleet.MustStart("default", spec);
  Producer before(port);
  ASSERT_TRUE(before.Send("before\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  std::thread roll([&] { fleet.Ctl({"server", "restart", "default"}); });
  const auto draining = fleet.WaitEvent(v1::EVENT_TYPE_WORKER_DRAINING, "default/0");
  EXPECT_TRUE(WaitFor([&] {
    const auto server = fleet.GetServer("default");
    return server.ok() && server->workers(0).state() == v1::WORKER_STATE_DRAINING;
  }));
  fleet.KillCoordinator();
  roll.join();
  ASSERT_TRUE(draining.ok()) << draining.status();

  Producer meanwhile(port);  // fails the test when it is refused
  ASSERT_TRUE(meanwhile.Send("meanwhile\n"));
  meanwhile.Finish();
  fleet.Start();
  before.Finish();
  EXPECT_TRUE(before.WaitClosed(absl::Seconds(20)));
  EXPECT_TRUE(meanwhile.WaitClosed(absl::Seconds(20)));
  ASSERT_TRUE(fleet.WaitReady("default"));
  EXPECT_THAT(SortedPayloads(ReadAll(fleet.channel(), "default")),
              ::testing::ElementsAre("before", "meanwhile"));
}

TEST(CrashTest, AStoppedServerRefusesAlthoughItsWorkersDrainStill) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  Producer open(port);
  ASSERT_TRUE(open.Send("one\n"));
  ASSERT_TRUE(fleet.WaitStored("default", 1));
  std::thread stop([&] { EXPECT_TRUE(fleet.StopServer("default", /*now=*/false).ok()); });
  EXPECT_TRUE(WaitFor([&] { return !ConnectTcp("127.0.0.1", port).ok(); }));
  open.Finish();
  stop.join();
}

}  // namespace
}  // namespace center::itest
