// Probes and metrics of the real programs.
#include <signal.h>
#include <sys/wait.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "tests/integration/fleet.h"
#include "tests/integration/http_get.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The value of a series ("name{labels}") in a page of metrics; -1 when it is not there.
double ValueOf(const std::string& page, const std::string& series) {
  const size_t at = page.find(absl::StrCat("\n", series, " "));
  double value = -1;
  if (at == std::string::npos) return value;
  const size_t from = at + series.size() + 2;
  EXPECT_TRUE(absl::SimpleAtod(page.substr(from, page.find('\n', from) - from), &value));
  return value;
}

TEST(CoordinatorHttpTest, ProbesAndFiguresOfTheFleet) {
  Fleet fleet({.http = "127.0.0.1:0"});
  const std::string http = HttpAddressInLog(fleet.dir() / "coordinator.log");
  fleet.MustStart("default", SmallSpec(2));
  EXPECT_EQ(fleet.Ctl({"send", "default"}, "one\ntwo\nthree\n").exit_code, 0);
  ASSERT_TRUE(fleet.WaitStored("default", 3));

  EXPECT_EQ(HttpGet(http, "/livez").body, "ok\n");
  EXPECT_EQ(HttpGet(http, "/readyz").status, 200);
  EXPECT_THAT(HttpGet(http, "/readyz?verbose").body, HasSubstr("[+]control-thread ok\n"));
  EXPECT_EQ(HttpGet(http, "/nothing").status, 404);
  const std::string page = HttpGet(http, "/metrics").body;
  EXPECT_EQ(ValueOf(page, "center_worker_payloads_total{server=\"default\",slot=\"0\"}") +
                ValueOf(page, "center_worker_payloads_total{server=\"default\",slot=\"1\"}"),
            3);
  EXPECT_EQ(ValueOf(page, "center_workers{state=\"READY\"}"), 2);
  EXPECT_EQ(ValueOf(page, "center_server_workers_wanted{server=\"default\"}"), 2);
  EXPECT_THAT(page, Not(HasSubstr("center_worker_exits_total{")));
  EXPECT_EQ(ValueOf(page, "center_job_chunks_total{outcome=\"finished\"}"), 0);
  ASSERT_EQ(fleet.Ctl({"job", "submit", "primes", "--range", "0:1000", "--no-results"}).exit_code,
            0);
  const std::string after = HttpGet(http, "/metrics").body;
  EXPECT_GT(ValueOf(after, "center_job_chunks_total{outcome=\"finished\"}"), 0);
  EXPECT_EQ(ValueOf(after, "center_job_inputs_total{outcome=\"succeeded\"}"), 1000);
  EXPECT_EQ(ValueOf(after, "center_job_inputs_total{outcome=\"failed\"}"), 0);
  EXPECT_GT(ValueOf(after, "center_job_task_seconds_total"), 0);

  const pid_t before = fleet.WorkerPid("default", 0);
  ASSERT_TRUE(KillProcess(before));
  ASSERT_TRUE(WaitFor([&] {
    const std::string now = HttpGet(http, "/metrics").body;
    return ValueOf(now, "center_worker_restarts_total{server=\"default\",slot=\"0\"}") == 1 &&
           ValueOf(now, "center_worker_exits_total{server=\"default\",cause=\"killed\"}") == 1;
  })) << HttpGet(http, "/metrics").body;
}

TEST(CoordinatorHttpTest, AnAddressThatWasAskedForAndIsTakenIsAnError) {
  Fleet fleet({.http = "127.0.0.1:0"});
  const std::string http = HttpAddressInLog(fleet.dir() / "coordinator.log");
  const RunResult second =
      RunToEnd(Binary("center-coordinator"),
               {"--data-dir", fleet.dir() / "other", "--listen",
                absl::StrCat("unix:", fleet.dir() / "other.sock"), "--http", http});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.out + second.err, HasSubstr(absl::StrCat("--http: ")));
}

class WorkerHttpTest : public testing::Test {
 protected:
  // A worker that stands alone.
  WorkerHttpTest()
      : worker_({.program = Binary("center-worker"),
                 .args = {"--listen", absl::StrCat("unix:", dir_ / "w.sock"), "--data-dir",
                          dir_ / "journal", "--port", "0", "--http", "127.0.0.1:0"},
                 .stdout_path = dir_ / "worker.log"}),
        http_(HttpAddressInLog(dir_ / "worker.log")) {}

  uint16_t Port() const {
    const std::string log = ReadWholeFile(dir_ / "worker.log");
    constexpr absl::string_view kBefore = "producers on 127.0.0.1:";
    uint32_t port = 0;
    const size_t at = log.find(kBefore.data(), 0, kBefore.size()) + kBefore.size();
    EXPECT_TRUE(absl::SimpleAtoi(log.substr(at, log.find(' ', at) - at), &port)) << log;
    return static_cast<uint16_t>(port);
  }

  TempDir dir_;
  Process worker_;
  const std::string http_;
};

TEST_F(WorkerHttpTest, IsReadyUntilItDrainsAndAliveUntilItEnds) {
  EXPECT_EQ(HttpGet(http_, "/readyz").body, "ok\n");
  auto producer = ConnectTcp("127.0.0.1", Port());
  ASSERT_TRUE(producer.ok()) << producer.status();
  ASSERT_TRUE(WaitFor([&] {
    return ValueOf(HttpGet(http_, "/metrics").body,
                   "center_worker_connections{server=\"default\",slot=\"0\"}") == 1;
  }));

  worker_.Signal(SIGTERM);
  ASSERT_TRUE(WaitFor([&] { return HttpGet(http_, "/readyz").status == 503; }));
  EXPECT_THAT(HttpGet(http_, "/readyz").body, HasSubstr("[-]state failed: DRAINING"));
  EXPECT_EQ(HttpGet(http_, "/livez").status, 200);
  producer->Reset();
  const auto status = worker_.Wait(absl::Seconds(30));
  ASSERT_TRUE(status.has_value());
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << *status;
  EXPECT_EQ(HttpGet(http_, "/livez").status, 0);
}

TEST_F(WorkerHttpTest, TellsWhichLimitsWereHitAndHowLongSyncsTake) {
  EXPECT_THAT(HttpGet(http_, "/metrics").body,
              HasSubstr("# TYPE center_worker_journal_sync_seconds summary\n"));
  ASSERT_EQ(RunToEnd(Binary("centerctl"), {"send", absl::StrCat("127.0.0.1:", Port())},
                     std::string((1 << 20) + 1, 'x'))
                .exit_code,
            1);
  EXPECT_TRUE(WaitFor([&] {
    return ValueOf(HttpGet(http_, "/metrics").body,
                   "center_worker_limits_hit_total{server=\"default\",slot=\"0\",cause=\"payload-"
                   "too-large\"}") == 1;
  })) << HttpGet(http_, "/metrics").body;
}

}  // namespace
}  // namespace center::itest
