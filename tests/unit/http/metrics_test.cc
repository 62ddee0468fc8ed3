#include "services/common/http/metrics.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/http/worker_metrics.h"

namespace center::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, IsTheTextFormat) {
  MetricSet metrics;
  metrics.Counter("center_x_total", "Xs.").Add(3, {{"server", "a"}});
  metrics.Gauge("center_y_bytes", "Ys.").Add(1.5);
  metrics.Summary("center_z_seconds", "Zs.").AddSummary(4, 0.25);
  EXPECT_EQ(metrics.ToText(),
            "# HELP center_x_total Xs.\n# TYPE center_x_total counter\n"
            "center_x_total{server=\"a\"} 3\n"
            "# HELP center_y_bytes Ys.\n# TYPE center_y_bytes gauge\ncenter_y_bytes 1.5\n"
            "# HELP center_z_seconds Zs.\n# TYPE center_z_seconds summary\n"
            "center_z_seconds_count 4\ncenter_z_seconds_sum 0.25\n");
}

TEST(MetricsTest, LabelsAreEscapedAndEmptyFamiliesLeftOut) {
  MetricSet metrics;
  metrics.Gauge("center_a", "As.").Add(1, {{"text", "\"\\\n"}});
  metrics.Gauge("center_b", "Bs.");
  const std::string text = metrics.ToText();
  EXPECT_THAT(text, HasSubstr("center_a{text=\"\\\"\\\\\\n\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("center_b")));
}

TEST(MetricsTest, LargeCountersKeepTheirDigits) {
  MetricSet metrics;
  metrics.Counter("center_x_total", "Xs.").Add(9007199254740991.0);
  EXPECT_THAT(metrics.ToText(), HasSubstr("center_x_total 9007199254740991\n"));
}

TEST(WorkerMetricsTest, TheLagIsThatOfTheSlowestSubscriptionAndAbsentWithoutOne) {
  WorkerFigures with{.server = "a", .slot = 1, .ready = true};
  with.stats.set_end_offset(100);
  with.stats.set_synced_offset(90);
  with.committed_offset = 40;
  const WorkerFigures without{.server = "b"};
  MetricSet metrics;
  AddWorkerMetrics({with, without}, &metrics);
  const std::string text = metrics.ToText();
  EXPECT_THAT(text, HasSubstr("lag_payloads{server=\"a\",slot=\"1\"} 60\n"));
  EXPECT_THAT(text, Not(HasSubstr("lag_payloads{server=\"b\"")));
  EXPECT_THAT(text, HasSubstr("unsynced_payloads{server=\"a\",slot=\"1\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("center_worker_ready{server=\"a\",slot=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("center_worker_ready{server=\"b\",slot=\"0\"} 0\n"));
}

}  // namespace
}  // namespace center::http
