// Reading from the workers themselves: the same payloads and cursors as through the coordinator.
#include <signal.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;

constexpr int kConnections = 4;

// Lines of tail -o raw, sorted: there is no order between workers.
std::vector<std::string> Sorted(absl::string_view text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  std::sort(lines.begin(), lines.end());
  return lines;
}

// What Send has sent, sorted.
std::vector<std::string> Numbers(int from, int to) {
  std::vector<std::string> lines;
  for (int i = from; i < to; ++i) lines.push_back(absl::StrCat("p ", i));
  std::sort(lines.begin(), lines.end());
  return lines;
}

class DirectTest : public testing::Test {
 protected:
  void Start(uint32_t workers) { port_ = fleet_.MustStart("default", SmallSpec(workers)); }
  // Over several connections, so that every worker gets some.
  void Send(int from, int to) {
    std::vector<std::unique_ptr<Producer>> producers;
    for (int i = 0; i < kConnections; ++i) producers.push_back(std::make_unique<Producer>(port_));
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE(producers[i % kConnections]->Send(absl::StrCat("p ", i, "\n")));
    }
    for (const auto& producer : producers) {
      producer->Finish();
      ASSERT_TRUE(producer->WaitClosed(absl::Seconds(30)));
    }
  }
  // The first payloads of the server; waits until all are stored.
  void Store(int count) {
    Send(0, count);
    ASSERT_TRUE(fleet_.WaitStored("default", count));
  }
  std::unique_ptr<Process> Tail(std::vector<std::string> args, const std::string& to) {
    args.insert(args.begin(), {"--address", fleet_.address(), "-o", "raw", "tail", "--direct",
                               "--from", "earliest"});
    return std::make_unique<Process>(Process::Options{.program = Binary("centerctl"),
                                                      .args = std::move(args),
                                                      .stdout_path = fleet_.dir() / to,
                                                      .stderr_path = fleet_.dir() / (to + ".err")});
  }
  bool WaitLines(const std::string& file, size_t count) {
    return WaitFor([&] { return Sorted(ReadWholeFile(fleet_.dir() / file)).size() >= count; });
  }

  Fleet fleet_;
  uint16_t port_ = 0;
};

TEST_F(DirectTest, GivesWhatTheCoordinatorGives) {
  Start(2);
  Store(2000);
  const RunResult direct = fleet_.Ctl({"-o", "raw", "tail", "--direct", "--no-follow"});
  const RunResult relayed = fleet_.Ctl({"-o", "raw", "tail", "--no-follow"});
  EXPECT_EQ(direct.exit_code, 0) << direct.err;
  EXPECT_EQ(Sorted(direct.out), Numbers(0, 2000));
  EXPECT_EQ(Sorted(direct.out), Sorted(relayed.out));
}

TEST_F(DirectTest, ACursorGoesFromOneRouteToTheOther) {
  Start(2);
  Store(3000);
  const std::string cursor = fleet_.dir() / "cursor.json";
  std::string all;
  for (int part = 0; part < 3; ++part) {
    std::vector<std::string> args = {"-o", "raw", "tail", "--from", "earliest", "--cursor", cursor};
    if (part % 2 == 0) args.emplace_back("--direct");
    if (part < 2) args.insert(args.end(), {"--count", "1000"});
    if (part == 2) args.emplace_back("--no-follow");
    const RunResult tail = fleet_.Ctl(args);
    ASSERT_EQ(tail.exit_code, 0) << tail.err;
    all += tail.out;
  }
  EXPECT_EQ(Sorted(all), Numbers(0, 3000));
}

TEST_F(DirectTest, ASubscriptionIsResumedAndCommitted) {
  Start(2);
  Store(1000);
  std::string all;
  for (const char* route : {"--direct", "", "--direct"}) {
    std::vector<std::string> args = {"-o",      "raw",         "tail",    "--subscription",
                                     "billing", "--no-follow", "--count", "400"};
    if (*route != '\0') args.emplace_back(route);
    const RunResult tail = fleet_.Ctl(args);
    ASSERT_EQ(tail.exit_code, 0) << tail.err;
    all += tail.out;
  }
  EXPECT_EQ(Sorted(all), Numbers(0, 1000));
}

TEST_F(DirectTest, WorkersThatComeBackAreFollowed) {
  Start(2);
  Send(0, 500);
  const auto tail = Tail({}, "out");
  ASSERT_TRUE(WaitLines("out", 500));
  for (uint32_t slot = 0; slot < 2; ++slot) {
    const pid_t pid = fleet_.WorkerPid("default", slot);
    ASSERT_TRUE(KillProcess(pid));
    ASSERT_TRUE(fleet_.WaitReady("default", pid));
  }
  Send(500, 1000);
  EXPECT_TRUE(WaitLines("out", 1000));
  tail->Signal(SIGINT);
  EXPECT_TRUE(tail->Wait(absl::Seconds(30)).has_value());
  EXPECT_EQ(Sorted(ReadWholeFile(fleet_.dir() / "out")), Numbers(0, 1000));
}

TEST_F(DirectTest, GoesOnWhileTheCoordinatorIsAway) {
  Start(2);
  Send(0, 100);
  const auto tail = Tail({}, "out");
  ASSERT_TRUE(WaitLines("out", 100));
  fleet_.KillCoordinator();
  Send(100, 600);
  EXPECT_TRUE(WaitLines("out", 600));
  fleet_.Start();
  Send(600, 700);
  EXPECT_TRUE(WaitLines("out", 700));
  EXPECT_EQ(Sorted(ReadWholeFile(fleet_.dir() / "out")), Numbers(0, 700));
}

TEST_F(DirectTest, WorkersThatJoinAreReadAndThoseThatLeftAreReadToTheirEnd) {
  Start(3);
  Send(0, 1500);
  const auto tail = Tail({}, "out");
  ASSERT_TRUE(WaitLines("out", 1500));
  ASSERT_EQ(fleet_.Ctl({"server", "scale", "default", "1"}).exit_code, 0);
  Send(1500, 2000);
  ASSERT_EQ(fleet_.Ctl({"server", "scale", "default", "2"}).exit_code, 0);
  Send(2000, 2500);
  EXPECT_TRUE(WaitLines("out", 2500));
  EXPECT_EQ(Sorted(ReadWholeFile(fleet_.dir() / "out")), Numbers(0, 2500));

  // default/2 has no process any more.
  const RunResult late = fleet_.Ctl({"-o", "raw", "tail", "--direct", "--no-follow"});
  EXPECT_EQ(late.exit_code, 0) << late.err;
  EXPECT_EQ(Sorted(late.out), Numbers(0, 2500));
}

TEST_F(DirectTest, EndsWithTheServer) {
  Start(1);
  Send(0, 10);
  const auto tail = Tail({}, "out");
  ASSERT_TRUE(WaitLines("out", 10));
  ASSERT_TRUE(fleet_.StopServer("default").ok());
  EXPECT_TRUE(tail->Wait(absl::Seconds(30)).has_value());
  EXPECT_EQ(Sorted(ReadWholeFile(fleet_.dir() / "out")), Numbers(0, 10));

  EXPECT_EQ(fleet_.Ctl({"tail", "--direct"}).exit_code, 3);
  const RunResult unknown = fleet_.Ctl({"tail", "nobody", "--direct"});
  EXPECT_EQ(unknown.exit_code, 64 + 5);
  EXPECT_THAT(unknown.err, HasSubstr("there is no server 'nobody'"));
}

TEST_F(DirectTest, FiltersRunInTheWorkers) {
  Start(2);
  Store(200);
  const RunResult tail =
      fleet_.Ctl({"-o", "raw", "tail", "--direct", "--no-follow", "--regex", "^p 1..$"});
  EXPECT_EQ(Sorted(tail.out), Numbers(100, 200)) << tail.err;
  EXPECT_NE(fleet_.Ctl({"tail", "--direct", "--regex", "("}).exit_code, 0);
}

TEST_F(DirectTest, TheBenchmarkCountsAlike) {
  Start(2);
  const RunResult bench = fleet_.Ctl(
      {"bench", "ingest", "--count", "20000", "--subscribers", "2", "--direct", "-o", "json"});
  EXPECT_EQ(bench.exit_code, 0) << bench.out << bench.err;
  EXPECT_EQ(fleet_.Ctl({"bench", "latency", "--duration", "200ms", "--rate", "500", "--direct"})
                .exit_code,
            0);
}

}  // namespace
}  // namespace center::itest
