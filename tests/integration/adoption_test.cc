// A coordinator that was killed, or that has left, is followed by one that takes over its workers.
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "services/common/proc_stat.h"
#include "services/coordinator/state/store.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;

std::vector<pid_t> Pids(Fleet& fleet, uint32_t workers) {
  std::vector<pid_t> pids;
  for (uint32_t slot = 0; slot < workers; ++slot) pids.push_back(fleet.WorkerPid("default", slot));
  return pids;
}

v1::Coordinator Coordinator(Fleet& fleet) {
  grpc::ClientContext context;
  v1::GetCoordinatorResponse response;
  const grpc::Status status =
      v1::ServerService::NewStub(fleet.channel())->GetCoordinator(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.coordinator();
}

// Connections one after the other, each with a few payloads, until it is told to end.
class Load {
 public:
  explicit Load(uint16_t port, int producers) {
    for (int i = 0; i < producers; ++i) {
      threads_.emplace_back([this, port, i] { Run(port, i); });
    }
  }
  ~Load() { Finish(); }

  // How many payloads were sent.
  uint64_t Finish() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    return sent_;
  }
  uint64_t sent() const { return sent_; }
  uint64_t refused() const { return refused_; }
  uint64_t broken() const { return broken_; }

 private:
  static constexpr int kPayloads = 20;  // of a connection

  void Run(uint16_t port, int producer) {
    for (int connection = 0; !stop_; ++connection) {
      auto fd = ConnectTcp("127.0.0.1", port);
      if (!fd.ok()) {
        ++refused_;
        continue;
      }
      std::string text;
      for (int i = 0; i < kPayloads; ++i) {
        absl::StrAppend(&text, producer, ".", connection, ".", i, "\n");
      }
      // Stored is what the worker has closed in order.
      char byte = 0;
      const bool ok = ::send(fd->get(), text.data(), text.size(), MSG_NOSIGNAL) ==
                          static_cast<ssize_t>(text.size()) &&
                      ::shutdown(fd->get(), SHUT_WR) == 0 && ::recv(fd->get(), &byte, 1, 0) == 0;
      if (ok) {
        sent_ += kPayloads;
      } else {
        ++broken_;
      }
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> broken_{0};
  std::vector<std::thread> threads_;
};

// `centerctl tail -o raw` of everything, as a process of its own.
Process::Options TailOptions(const Fleet& fleet, const std::string& path) {
  return {
      .program = Binary("centerctl"),
      .args = {"--address", fleet.address(), "-o", "raw", "tail", "default", "--from", "earliest"},
      .stdout_path = path,
      .stderr_path = path + ".err"};
}

std::vector<std::string> LinesOf(const std::string& path) {
  std::vector<std::string> lines = absl::StrSplit(ReadWholeFile(path), '\n');
  if (!lines.empty()) lines.pop_back();  // behind the last line feed
  return lines;
}

TEST(AdoptionTest, KilledUnderLoadNothingIsRefusedLostOrReadTwice) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(3));
  const std::vector<pid_t> before = Pids(fleet, 3);
  const std::string tailed = fleet.dir() / "tail.txt";
  Process tail(TailOptions(fleet, tailed));
  Load load(port, 4);
  ASSERT_TRUE(WaitFor([&] { return LinesOf(tailed).size() > 10; })) << "it follows";
  for (int round = 0; round < 3; ++round) {
    const uint64_t so_far = load.sent();
    ASSERT_TRUE(WaitFor([&] { return load.sent() > so_far + 200; }));
    fleet.KillCoordinator();
    // Nobody is there, and they go on.
    const uint64_t alone = load.sent();
    ASSERT_TRUE(WaitFor([&] { return load.sent() > alone + 200; }));
    fleet.Start();
    ASSERT_TRUE(fleet.WaitReady("default"));
  }
  const uint64_t sent = load.Finish();
  EXPECT_EQ(load.refused(), 0u);
  EXPECT_EQ(load.broken(), 0u);
  EXPECT_EQ(Pids(fleet, 3), before);
  ASSERT_TRUE(fleet.WaitStored("default", sent));
  ASSERT_TRUE(WaitFor([&] { return LinesOf(tailed).size() >= sent; }, absl::Seconds(60)))
      << LinesOf(tailed).size() << " of " << sent << "; " << ReadWholeFile(tailed + ".err");
  const std::vector<std::string> lines = LinesOf(tailed);
  EXPECT_EQ(lines.size(), sent);
  EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()).size(), sent);
  const auto server = fleet.GetServer("default");
  ASSERT_TRUE(server.ok()) << server.status();
  for (const v1::Worker& worker : server->workers()) {
    EXPECT_TRUE(worker.adopted());
    EXPECT_EQ(worker.restarts(), 0u);
  }
}

TEST(AdoptionTest, AWorkerThatWasKilledMeanwhileIsReplacedOnTheSameSocket) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  const std::vector<pid_t> before = Pids(fleet, 2);
  fleet.KillCoordinator();
  ASSERT_TRUE(KillProcess(before[0]));
  ASSERT_TRUE(WaitFor([&] {
    const auto stat = ReadProcStat(before[0]);
    return !stat.ok() || stat->state == 'Z';
  }));
  EXPECT_TRUE(ConnectTcp("127.0.0.1", port).ok());
  fleet.Start();
  const auto died = fleet.WaitEvent(v1::EVENT_TYPE_WORKER_DIED, "default/0");
  ASSERT_TRUE(died.ok()) << died.status();
  EXPECT_THAT(died->reason(), HasSubstr("died while there was no coordinator"));
  ASSERT_TRUE(fleet.WaitReady("default", before[0]));
  EXPECT_EQ(fleet.WorkerPid("default", 1), before[1]);
  EXPECT_EQ(fleet.GetServer("default")->spec().port(), port);
  // The new one takes connections, as the old one does.
  Load load(port, 2);
  ASSERT_TRUE(WaitFor([&] { return load.sent() > 1000; }));
  const uint64_t sent = load.Finish();
  EXPECT_EQ(load.refused() + load.broken(), 0u);
  EXPECT_TRUE(fleet.WaitStored("default", sent));
}

TEST(AdoptionTest, WhenAllWorkersHaveDiedTheyAreStartedAnew) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  const std::vector<pid_t> before = Pids(fleet, 2);
  fleet.KillCoordinator();
  for (const pid_t pid : before) ASSERT_TRUE(KillProcess(pid));
  ASSERT_TRUE(WaitFor([&] { return !ConnectTcp("127.0.0.1", port).ok(); }));
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("default"));
  EXPECT_EQ(fleet.GetServer("default")->spec().port(), port);
  EXPECT_TRUE(fleet.WaitEvent(v1::EVENT_TYPE_WORKER_DIED, "default/1").ok());
}

TEST(AdoptionTest, AProcessThatHasGotTheSamePidIsNotTouched) {
  Fleet fleet;
  fleet.MustStart("default", SmallSpec(1));
  const pid_t before = fleet.WorkerPid("default", 0);
  fleet.KillCoordinator();
  ASSERT_TRUE(KillProcess(before));
  Process stranger({.program = "/usr/bin/sleep", .args = {"600"}});
  {
    auto store = state::Store::Open(fleet.data_dir() + "/center.db");
    ASSERT_TRUE(store.ok()) << store.status();
    auto records = (*store)->ListProcesses();
    ASSERT_TRUE(records.ok() && records->size() == 1u);
    state::ProcessRecord record = records->front();
    ASSERT_EQ(record.pid, before);
    record.pid = stranger.pid();  // its start time is the dead worker's
    ASSERT_TRUE((*store)->PutProcess(record).ok());
  }
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("default", stranger.pid()));
  EXPECT_TRUE(stranger.running());
  EXPECT_TRUE(fleet.WaitEvent(v1::EVENT_TYPE_WORKER_DIED, "default/0").ok());
}

TEST(AdoptionTest, AWorkerThatDoesNotRegisterIsKilledAndReplaced) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec(2);
  spec.mutable_start_timeout()->set_seconds(2);
  fleet.MustStart("default", spec);
  const std::vector<pid_t> before = Pids(fleet, 2);
  fleet.KillCoordinator();
  ASSERT_EQ(::kill(before[0], SIGSTOP), 0);
  fleet.Start();
  const auto died = fleet.WaitEvent(v1::EVENT_TYPE_WORKER_DIED, "default/0");
  ASSERT_TRUE(died.ok()) << died.status();
  EXPECT_THAT(died->reason(), HasSubstr("killed by Center: not ready within 2.0 s"));
  ASSERT_TRUE(fleet.WaitReady("default", before[0]));
  EXPECT_EQ(fleet.WorkerPid("default", 1), before[1]);
}

TEST(AdoptionTest, ManyWorkersAreAdoptedWithTheirOutput) {
  constexpr uint32_t kWorkers = 16;
  Fleet fleet;
  fleet.MustStart("default", SmallSpec(kWorkers));
  const std::vector<pid_t> before = Pids(fleet, kWorkers);
  fleet.KillCoordinator();
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("default"));
  EXPECT_EQ(Pids(fleet, kWorkers), before);
  fleet.Stop();
  // What they said at the end was read by the one that adopted them.
  const std::string log = ReadWholeFile(fleet.dir() / "coordinator.log");
  for (uint32_t slot = 0; slot < kWorkers; ++slot) {
    EXPECT_THAT(log, HasSubstr(absl::StrCat("] ended with exit code 0")));
    EXPECT_THAT(log, HasSubstr(absl::StrCat("default/", slot, "[", before[slot], "] ended")));
  }
}

TEST(AdoptionTest, ACoordinatorIsReplacedOnRequestWhileWorkersGoOn) {
  Fleet fleet;
  const uint16_t port = fleet.MustStart("default", SmallSpec(2));
  const std::vector<pid_t> before = Pids(fleet, 2);
  const int64_t old = Coordinator(fleet).pid();
  Load load(port, 2);
  ASSERT_TRUE(WaitFor([&] { return load.sent() > 200; }));
  // Sanitizers make processes slow to begin and to end.
  const RunResult restart = fleet.Ctl({"coordinator", "restart", "--timeout", "45s"});
  EXPECT_EQ(restart.exit_code, 0) << restart.err;
  EXPECT_THAT(restart.err, HasSubstr(absl::StrCat("coordinator restarted: pid ", old)));
  EXPECT_THAT(restart.err, HasSubstr("2 workers go on"));
  ASSERT_TRUE(fleet.WaitReady("default"));
  EXPECT_NE(Coordinator(fleet).pid(), old);
  EXPECT_EQ(Pids(fleet, 2), before);
  const uint64_t sent = load.Finish();
  EXPECT_EQ(load.refused() + load.broken(), 0u);
  EXPECT_TRUE(fleet.WaitStored("default", sent));
  EXPECT_THAT(fleet.WaitEvent(v1::EVENT_TYPE_COORDINATOR_STOPPING, "coordinator")->reason(),
              HasSubstr("leaves; workers go on"));
  EXPECT_EQ(fleet.Ctl({"coordinator", "stop"}).exit_code, 0);
}

TEST(AdoptionTest, WorkersThatNobodyComesForEndThemselves) {
  Fleet fleet;
  v1::ServerSpec spec = SmallSpec(1);
  spec.mutable_orphan_timeout()->set_seconds(1);
  const uint16_t port = fleet.MustStart("default", spec);
  const pid_t worker = fleet.WorkerPid("default", 0);
  fleet.KillCoordinator();
  EXPECT_TRUE(ConnectTcp("127.0.0.1", port).ok());
  // Orphans are ours to reap.
  int status = 0;
  ASSERT_TRUE(WaitFor([&] { return ::waitpid(worker, &status, WNOHANG) == worker; }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
  fleet.Start();
  ASSERT_TRUE(fleet.WaitReady("default"));
}

}  // namespace
}  // namespace center::itest
