// Several servers on one listening socket, as the workers of a server are, but in one event loop.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/scoreboard.h"
#include "services/worker/ingest/ingest_server.h"
#include "tests/unit/ingest/server_fixture.h"

namespace center::ingest {
namespace {

class FairAcceptTest : public ServerFixture {
 protected:
  void StartWorkers(uint32_t workers, uint32_t max_connections = 10'000) {
    auto memfd = Scoreboard::CreateMemfd();
    ASSERT_TRUE(memfd.ok()) << memfd.status();
    auto listener = ListenTcp("127.0.0.1", 0, 1024);
    ASSERT_TRUE(listener.ok()) << listener.status();
    port_ = *LocalPort(listener->get());
    journals_.resize(workers);
    for (uint32_t slot = 0; slot < workers; ++slot) {
      auto board = Scoreboard::Map(memfd->get());
      ASSERT_TRUE(board.ok()) << board.status();
      boards_.push_back(std::move(*board));
      journals_[slot] = std::make_unique<FakeJournal>();
      auto server = IngestServer::Create(io_,
                                         {.worker_name = absl::StrCat("default/", slot),
                                          .max_connections = max_connections,
                                          .slot = slot},
                                         ScopedFd(::dup(listener->get())), boards_.back().get(),
                                         journals_[slot]->Port(), RealClock(), nullptr);
      ASSERT_TRUE(server.ok()) << server.status();
      servers_.push_back(std::move(*server));
      servers_.back()->Start();
    }
  }

  uint64_t Total() const {
    uint64_t total = 0;
    for (const auto& server : servers_) total += server->counters().connections;
    return total;
  }

  void ConnectMany(size_t count) {
    for (size_t i = 0; i < count; ++i) producers_.push_back(Connect());
  }

  std::vector<std::unique_ptr<Scoreboard>> boards_;
  std::vector<std::unique_ptr<FakeJournal>> journals_;
  std::vector<std::unique_ptr<IngestServer>> servers_;
  std::vector<std::unique_ptr<Producer>> producers_;
};

TEST_F(FairAcceptTest, ConnectionsEndWithinOneOfEachOther) {
  StartWorkers(3);
  for (const size_t burst : {1, 2, 50, 1, 147}) {
    ConnectMany(burst);
    ASSERT_TRUE(RunUntil([&] { return Total() == producers_.size(); }));
    uint64_t least = ~0ULL;
    uint64_t most = 0;
    for (const auto& server : servers_) {
      least = std::min(least, server->counters().connections);
      most = std::max(most, server->counters().connections);
    }
    EXPECT_LE(most - least, 1u) << producers_.size() << " connections";
  }
}

TEST_F(FairAcceptTest, AWorkerThatLostItsConnectionsGetsTheNext) {
  StartWorkers(2);
  ConnectMany(20);
  ASSERT_TRUE(RunUntil([&] { return Total() == 20; }));
  servers_[0]->StopNow();
  EXPECT_EQ(boards_[1]->Read(0).state, Scoreboard::State::kUnused);
  ConnectMany(5);
  ASSERT_TRUE(RunUntil([&] { return servers_[1]->counters().connections == 15; }));
}

TEST_F(FairAcceptTest, AStoppedSiblingDelaysNobodyForLong) {
  StartWorkers(1);
  // A sibling that says it accepts, and never does; its tick grows old after a second.
  boards_[0]->Tick(1, Scoreboard::MonotonicMs());
  boards_[0]->SetState(1, Scoreboard::State::kAccepting);
  ConnectMany(10);
  ASSERT_TRUE(RunUntil([&] { return Total() == 10; }));
  ASSERT_TRUE(RunUntil(
      [&] { return !boards_[0]->LeastLoadedSibling(0, Scoreboard::MonotonicMs()).has_value(); }));
}

TEST_F(FairAcceptTest, ABlockedWorkerLeavesConnectionsToItsSiblings) {
  StartWorkers(2);
  ConnectMany(2);
  ASSERT_TRUE(RunUntil([&] { return Total() == 2; }));
  journals_[0]->SetFull(true);
  for (auto& producer : producers_) producer->Send("x\n");
  ASSERT_TRUE(RunUntil([&] { return !servers_[0]->blocked_reason().empty(); }));
  EXPECT_EQ(boards_[1]->Read(0).state, Scoreboard::State::kHolding);
  ConnectMany(10);
  ASSERT_TRUE(RunUntil([&] { return servers_[1]->counters().connections == 11; }));
}

TEST_F(FairAcceptTest, AFullWorkerRefusesNobodyWhileASiblingHasRoom) {
  StartWorkers(2, /*max_connections=*/5);
  ConnectMany(10);
  ASSERT_TRUE(RunUntil([&] { return Total() == 10; }));
  for (const auto& server : servers_) EXPECT_EQ(server->counters().rejected, 0u);
  EXPECT_EQ(boards_[0]->Read(1).state, Scoreboard::State::kHolding);
}

TEST_F(FairAcceptTest, DrainingLeavesTheSharedListenerToTheOthers) {
  StartWorkers(2);
  bool done = false;
  servers_[0]->Drain(absl::Seconds(60), [&] { done = true; });
  ASSERT_TRUE(RunUntil([&] { return done; }));
  ConnectMany(3);
  ASSERT_TRUE(RunUntil([&] { return servers_[1]->counters().connections == 3; }));
}

}  // namespace
}  // namespace center::ingest
