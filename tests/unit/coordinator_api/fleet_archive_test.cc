// Journals of slots that were scaled away.
#include <filesystem>

#include "tests/unit/coordinator_api/fleet_change_fixture.h"

namespace center::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class FleetArchiveTest : public FleetChangeTest {
 protected:
  // default/1 is scaled away, and has ended.
  void ScaleAway() {
    StartReady(2);
    const int64_t pid = Pid(1);
    auto answer = Scale(1);
    Exit(pid);
    ASSERT_TRUE(answer->has_value());
  }
  relay::WorkerEndpoint Endpoint(size_t index) {
    const auto snapshot = directory_->Get("default");
    EXPECT_TRUE(snapshot.ok());
    if (!snapshot.ok() || index >= snapshot->workers.size()) return {};
    return snapshot->workers[index];
  }
  int64_t LastPid() const { return launcher_->processes.rbegin()->first; }
  // Somebody wants to read: the reader's process.
  int64_t Want() {
    fleet_->OnArchiveWanted("default");
    Settle();
    return LastPid();
  }
  std::shared_ptr<FakeLine> Register(int64_t pid) {
    v1::Hello hello;
    hello.set_worker("default/1");
    hello.set_pid(pid);
    hello.set_token(Token(pid));
    hello.set_address("unix:/run/reader.sock");
    auto line = std::make_shared<FakeLine>();
    const absl::Status status = fleet_->Register(hello, line);
    EXPECT_TRUE(status.ok()) << status;
    Settle();
    return line;
  }
};

TEST_F(FleetArchiveTest, TheJournalStaysInTheDirectoryWithoutAProcess) {
  ScaleAway();
  EXPECT_EQ(Endpoint(1).worker, "default/1");
  EXPECT_TRUE(Endpoint(1).archived);
  EXPECT_EQ(Endpoint(1).address, "");
  EXPECT_FALSE(Endpoint(0).archived);
  EXPECT_EQ(launcher_->launches, 2);
}

TEST_F(FleetArchiveTest, AWorkerThatDrainsServesItsReadersItself) {
  StartReady(2);
  Scale(1);
  EXPECT_FALSE(Endpoint(1).archived);
  EXPECT_NE(Endpoint(1).address, "");
}

TEST_F(FleetArchiveTest, AReaderIsStartedForWhoWantsIt) {
  ScaleAway();
  const int64_t reader = Want();
  EXPECT_EQ(launcher_->launches, 3);
  const auto& spec = launcher_->processes.at(reader).spec;
  EXPECT_THAT(spec.args, Contains("--name=default/1"));
  EXPECT_THAT(spec.args, Contains("--archive-idle=30s"));
  EXPECT_TRUE(spec.inherited_fds.empty()) << "it accepts nobody";
  EXPECT_THAT(Register(reader)->said, ElementsAre("welcome"));
  EXPECT_EQ(Endpoint(1).address, "unix:/run/reader.sock");
  EXPECT_THAT(Get().workers(), SizeIs(1)) << "it is no worker";
  Exit(reader);
  EXPECT_EQ(Endpoint(1).address, "");
  EXPECT_EQ(Endpoint(1).error, "");
}

TEST_F(FleetArchiveTest, AReaderThatFailsSaysWhy) {
  ScaleAway();
  launcher_->Exit(Want(), {.exit_code = 1, .stderr_tail = "the journal is damaged"});
  Settle();
  EXPECT_THAT(Endpoint(1).error, HasSubstr("the journal is damaged"));
}

TEST_F(FleetArchiveTest, TheWorkerComesBackWhenItsReaderHasGone) {
  ScaleAway();
  const uint64_t generation = Endpoint(1).generation;
  const int64_t reader = Want();
  Register(reader);
  auto answer = Scale(2);
  EXPECT_THAT(launcher_->signals(reader), ElementsAre(SIGTERM));
  EXPECT_EQ(launcher_->launches, 3) << "a journal has one process at a time";
  Exit(reader);
  EXPECT_EQ(launcher_->launches, 4);
  MakeReady(1);
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_FALSE(Endpoint(1).archived);
  EXPECT_GT(Endpoint(1).generation, generation);
}

TEST_F(FleetArchiveTest, JournalsOfAnEarlierTimeAreKnown) {
  std::filesystem::create_directories(data_dir_->JournalDir("default", 5));
  std::filesystem::create_directories(data_dir_->path() + "/servers/default/notes");
  StartReady(1);
  EXPECT_EQ(Endpoint(1).worker, "default/5");
  EXPECT_TRUE(Endpoint(1).archived);
  EXPECT_THAT(directory_->Get("default")->workers, SizeIs(2));
}

TEST_F(FleetArchiveTest, AStopEndsTheReaders) {
  ScaleAway();
  const int64_t reader = Want();
  Register(reader);
  StopLater({});
  EXPECT_THAT(launcher_->signals(reader), ElementsAre(SIGTERM));
  fleet_->OnArchiveWanted("default");
  EXPECT_EQ(launcher_->launches, 3) << "a server that stops is not read";
}

TEST_F(FleetArchiveTest, AShutdownWaitsForReaders) {
  ScaleAway();
  const int64_t worker = Pid(0);
  const int64_t reader = Want();
  bool done = false;
  fleet_->Shutdown(false, [&] { done = true; });
  Exit(worker);
  EXPECT_FALSE(done);
  Exit(reader);
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace center::coordinator
