#include "services/common/http/ops_pages.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

OpsSources Sources(std::vector<Check> ready) {
  return {.process = "center-worker default/0",
          .live = [] { return std::vector<Check>{{.name = "loop"}}; },
          .ready = [ready] { return ready; },
          .metrics = []() -> absl::StatusOr<MetricSet> {
            MetricSet metrics;
            metrics.Gauge("center_x", "X.").Add(1);
            return metrics;
          }};
}

TEST(OpsPagesTest, AProbeThatPassesIsShortUnlessMoreIsWanted) {
  const Handler pages = OpsPages(Sources({{.name = "state", .detail = "READY"}}));
  EXPECT_EQ(pages({.path = "/readyz"}).body, "ok\n");
  EXPECT_EQ(pages({.path = "/readyz", .verbose = true}).body,
            "[+]state ok: READY\nreadyz check passed\n");
  EXPECT_EQ(pages({.path = "/livez", .verbose = true}).body, "[+]loop ok\nlivez check passed\n");
  EXPECT_EQ(pages({.path = "/livez"}).status, 200);
}

TEST(OpsPagesTest, AProbeThatFailsSaysWhy) {
  const Handler pages =
      OpsPages(Sources({{.name = "loop"}, {.name = "state", .detail = "DRAINING", .ok = false}}));
  const Response response = pages({.path = "/readyz"});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "[-]state failed: DRAINING\nreadyz check failed\n");
  EXPECT_THAT(pages({.path = "/readyz", .verbose = true}).body, StartsWith("[+]loop ok\n"));
}

TEST(OpsPagesTest, MetricsHaveTheirOwnType) {
  const Response response = OpsPages(Sources({}))({.path = "/metrics"});
  EXPECT_EQ(response.type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("center_x 1\n"));
}

TEST(OpsPagesTest, MetricsThatCannotBeHadAreUnavailable) {
  OpsSources sources = Sources({});
  sources.metrics = []() -> absl::StatusOr<MetricSet> { return absl::UnavailableError("busy"); };
  const Response response = OpsPages(sources)({.path = "/metrics"});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "busy\n");
}

TEST(OpsPagesTest, OtherPathsAreNotFoundAndTheRootTellsWhatThereIs) {
  const Handler pages = OpsPages(Sources({}));
  EXPECT_THAT(pages({.path = "/"}).body, HasSubstr("/metrics"));
  EXPECT_EQ(pages({.path = "/livez/"}).status, 404);
  EXPECT_EQ(pages({.path = "/.."}).status, 404);
}

}  // namespace
}  // namespace center::http
