// A fleet that is there: what the drill takes for one, and how it reads and leaves it.
#include "absl/strings/str_cat.h"
#include "cli/drill_cluster_fleet.h"
#include "tests/unit/cli/fake_coordinator.h"
#include "tests/unit/cli/tcp_sink.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class DrillClusterTest : public CliTest {
 protected:
  static constexpr uint32_t kWorkers = 3;

  DrillClusterTest() : coordinator_(dir_.path()) {
    v1::Server& server = coordinator_.servers.servers.emplace_back();
    server.set_name("games");
    server.set_state(v1::SERVER_STATE_RUNNING);
    server.set_address(sink_.address());
    server.mutable_spec()->set_workers(kWorkers);
    for (uint32_t slot = 0; slot < kWorkers; ++slot) {
      v1::Worker& worker = *server.add_workers();
      worker.set_name(absl::StrCat("games/", slot));
      worker.set_state(v1::WORKER_STATE_READY);
      worker.mutable_stats()->set_resident_bytes(1 << 20);
      worker.mutable_stats()->set_end_offset(4);
      coordinator_.payloads.Append(worker.name(), 4);
    }
  }

  v1::Server& server() { return coordinator_.servers.servers[0]; }
  absl::StatusOr<std::unique_ptr<ClusterFleet>> Find(ClusterFleetOptions options = {}) {
    if (options.server.empty()) options.server = "games";
    context_ = MakeContext({.address = coordinator_.address()});
    auto fleet = ClusterFleet::Find(*context_, options);
    OrderAfterAnswers();
    return fleet;
  }
  std::string WhyNot(ClusterFleetOptions options = {}) {
    const auto fleet = Find(std::move(options));
    return fleet.ok() ? "" : Explain(fleet.status());
  }

  TcpSink sink_;
  FakeCoordinator coordinator_;
  std::unique_ptr<Context> context_;
};

TEST_F(DrillClusterTest, WhatItFindsItHasDoneNothingTo) {
  const auto fleet = Find();
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  EXPECT_EQ((*fleet)->workers(), kWorkers);
  EXPECT_EQ((*fleet)->target().ToString(), absl::StrCat("server games at ", sink_.address()));
  EXPECT_THAT((*fleet)->feed().run, SizeIs(16));
  EXPECT_EQ((*fleet)->feed().begins.next_offsets().at("games/2"), 4u);
  EXPECT_EQ(coordinator_.servers.scaled.workers(), 0u);
  EXPECT_EQ(coordinator_.servers.worker_restarted.name(), "");
}

TEST_F(DrillClusterTest, EachRunHasANameOfItsOwn) {
  const auto first = Find();
  const auto second = Find();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE((*first)->feed().run, (*second)->feed().run);
}

TEST_F(DrillClusterTest, AServerThatDoesNotExistIsToldByTheCoordinator) {
  EXPECT_EQ(ExitCodeOf(Find({.server = "nobody"}).status()), kExitRpcBase + 5);
}

TEST_F(DrillClusterTest, AStoppedServerDoesNotRun) {
  server().set_state(v1::SERVER_STATE_STOPPED);
  server().clear_workers();
  EXPECT_EQ(ExitCodeOf(Find().status()), kExitNotRunning);
}

TEST_F(DrillClusterTest, APoolTakesNoPayloads) {
  server().mutable_spec()->set_no_listen(true);
  EXPECT_THAT(WhyNot(), HasSubstr("it is a pool for jobs"));
}

TEST_F(DrillClusterTest, ProcessesOfTheCoordinatorsMachineAreNoPods) {
  for (v1::Worker& worker : *server().mutable_workers()) worker.set_pid(4711);
  EXPECT_THAT(WhyNot(),
              AllOf(HasSubstr("no pods, but processes"), HasSubstr("`centerctl drill` without")));
}

TEST_F(DrillClusterTest, OneWorkerCannotBeDoneWithout) {
  server().mutable_workers()->DeleteSubrange(1, 2);
  EXPECT_THAT(WhyNot(),
              AllOf(HasSubstr("only one worker"), HasSubstr("centerctl server scale games 2")));
}

TEST_F(DrillClusterTest, WhatIsNotInOrderIsLeftAlone) {
  server().mutable_workers(1)->set_state(v1::WORKER_STATE_BACKOFF);
  server().set_detail("games/1 waits");
  EXPECT_THAT(WhyNot(), AllOf(HasSubstr("2/3"), HasSubstr("games/1 waits")));
}

TEST_F(DrillClusterTest, ProducersMustReachTheServer) {
  EXPECT_THAT(WhyNot({.producers = "127.0.0.1:1"}),
              AllOf(HasSubstr("127.0.0.1:1"), HasSubstr("--producers HOST:PORT")));
  EXPECT_THAT(WhyNot({.producers = "nonsense:"}), HasSubstr("nonsense:"));
}

TEST_F(DrillClusterTest, AtRestItCountsItsOwnPayloadsByWorker) {
  const auto fleet = Find();
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const std::string& run = (*fleet)->feed().run;
  for (uint32_t i = 0; i < 5; ++i) {
    coordinator_.payloads.AppendPayload("games/1", DrillPayloadText({0, i}, run));
    coordinator_.payloads.AppendPayload("games/1", DrillPayloadText({0, i}, "0123456789abcdef"));
  }
  DrillTally stored(run);
  std::vector<DrillJournal> journals;
  ASSERT_EQ((*fleet)->ReadAtRest(&stored, &journals), absl::OkStatus());
  EXPECT_EQ(stored.payloads(), 5u);
  EXPECT_EQ(stored.damaged(), 0u);
  ASSERT_THAT(journals, SizeIs(kWorkers));
  EXPECT_EQ(journals[0].payloads, 0u);
  EXPECT_EQ(journals[1].worker, "games/1");
  EXPECT_EQ(journals[1].payloads, 5u);
  // Workers are spared what is not wanted.
  const v1::StreamPayloadsRequest request = coordinator_.payloads.requests().back();
  EXPECT_EQ(request.filter().contains(), run + ":");
  EXPECT_EQ(request.start().cursor().next_offsets().at("games/1"), 4u);
}

TEST_F(DrillClusterTest, AGapSinceTheBeginningFailsItsJournal) {
  const auto fleet = Find();
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  coordinator_.payloads.Append("games/0", 4);
  coordinator_.payloads.Forget("games/0", 6);
  DrillTally stored((*fleet)->feed().run);
  std::vector<DrillJournal> journals;
  const absl::Status status = (*fleet)->ReadAtRest(&stored, &journals);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("games/0: its payloads 4 to 5 are gone"), HasSubstr("retention")));
  ASSERT_THAT(journals, SizeIs(kWorkers));
  EXPECT_FALSE(journals[0].status.ok());
  EXPECT_TRUE(journals[1].status.ok());
}

TEST_F(DrillClusterTest, AJournalThatIsShorterThanItWasIsReadAllTheSame) {
  const auto fleet = Find();
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  const std::string& run = (*fleet)->feed().run;
  coordinator_.payloads.AppendPayload("games/0", DrillPayloadText({0, 0}, run));
  coordinator_.payloads.EndNextAfter(
      0, absl::InvalidArgumentError("start.cursor: offset 4 is beyond the end"));
  const auto stored = ReadStored((*fleet)->context(), (*fleet)->feed());
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->tally.payloads(), 1u);
  EXPECT_FALSE(coordinator_.payloads.requests().back().start().has_cursor());
  // Anything else is told.
  coordinator_.payloads.EndNextAfter(0, absl::UnavailableError("gone"));
  EXPECT_FALSE(ReadStored((*fleet)->context(), (*fleet)->feed()).ok());
}

TEST_F(DrillClusterTest, WhatItHasScaledItScalesBack) {
  {
    const auto fleet = Find();
    ASSERT_TRUE(fleet.ok()) << fleet.status();
    ASSERT_EQ((*fleet)->Scale((*fleet)->context(), 1), absl::OkStatus());
    OrderAfterAnswers();
    EXPECT_EQ(coordinator_.servers.scaled.workers(), 1u);
    // Then nothing is waited for any more, but this.
    (*fleet)->Interrupt();
    EXPECT_TRUE(absl::IsCancelled((*fleet)->Roll((*fleet)->context())));
  }
  OrderAfterAnswers();
  EXPECT_EQ(coordinator_.servers.scaled.workers(), kWorkers);
}

}  // namespace
}  // namespace center::cli
