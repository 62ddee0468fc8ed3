// What --http serves as metrics is what Prometheus reads, named by its conventions.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fleet.h"
#include "tests/integration/http_get.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;

RunResult CheckMetrics(const std::string& page) {
  return RunToEnd(CENTER_PYTHON, {absl::StrCat(CENTER_CONFORMANCE_DIR, "/check_metrics.py")}, page);
}

TEST(MetricsConformanceTest, TheCoordinatorsPageIsInOrder) {
  Fleet fleet({.http = "127.0.0.1:0"});
  fleet.MustStart("default", SmallSpec(2));
  ASSERT_TRUE(KillProcess(fleet.WorkerPid("default", 0)));  // for what counts deaths
  // And for what clients count.
  ASSERT_EQ(fleet.Ctl({"client", "start", "load", "--count", "10", "--unlimited"}).exit_code, 0);
  const std::string http = HttpAddressInLog(fleet.dir() / "coordinator.log");
  std::string page;
  EXPECT_TRUE(WaitFor([&] {
    page = HttpGet(http, "/metrics").body;
    return page.find("center_worker_exits_total{") != std::string::npos &&
           page.find("center_client_payloads_acknowledged_total{client=\"load\"} 10\n") !=
               std::string::npos;
  })) << page;
  const RunResult checked = CheckMetrics(page);
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  EXPECT_THAT(fleet.Ctl({"coordinator", "status"}).out, HasSubstr(absl::StrCat("http://", http)));
}

TEST(MetricsConformanceTest, AWorkersPageIsInOrder) {
  TempDir dir;
  const Process worker({.program = Binary("center-worker"),
                        .args = {"--listen", absl::StrCat("unix:", dir / "w.sock"), "--data-dir",
                                 dir / "journal", "--port", "0", "--http", "127.0.0.1:0"},
                        .stdout_path = dir / "worker.log"});
  const std::string page = HttpGet(HttpAddressInLog(dir / "worker.log"), "/metrics").body;
  const RunResult checked = CheckMetrics(page);
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST(MetricsConformanceTest, TheCheckSeesWhatIsWrong) {
  const auto said = [](const std::string& page) {
    const RunResult checked = CheckMetrics(page);
    return checked.exit_code == 1 ? checked.out : "accepted";
  };
  EXPECT_THAT(said(""), HasSubstr("no samples at all"));
  EXPECT_THAT(said("center_x 1\n"), HasSubstr("no TYPE or HELP"));
  EXPECT_THAT(said("# HELP center_x X.\n# TYPE center_x counter\ncenter_x 1\n"),
              HasSubstr("ends in _total"));
  EXPECT_THAT(said("# HELP center_ms X.\n# TYPE center_ms gauge\ncenter_ms 1\n"),
              HasSubstr("base unit"));
  EXPECT_THAT(said("# HELP center_x X.\n# TYPE center_x gauge\ncenter_x{a=\"1\"} 1\n"
                   "center_x{a=\"1\"} 2\n"),
              HasSubstr("twice"));
  EXPECT_THAT(said("# HELP center_x X.\n# TYPE center_x gauge\ncenter_x{a=1} 1\n"),
              HasSubstr("no sample"));
}

}  // namespace
}  // namespace center::itest
