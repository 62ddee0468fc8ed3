#include "services/common/http/ops_pages.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center::http {
namespace {

constexpr int kOk = 200;
constexpr int kNotFound = 404;
constexpr int kUnavailable = 503;

std::string Describe(const Check& check) {
  return absl::StrCat(check.ok ? "[+]" : "[-]", check.name, check.ok ? " ok" : " failed",
                      check.detail.empty() ? "" : ": ", check.detail, "\n");
}

Response Probe(const std::string& path, bool verbose, const std::vector<Check>& checks) {
  const bool ok =
      std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
  Response response{.status = ok ? kOk : kUnavailable};
  for (const Check& check : checks) {
    if (verbose || !check.ok) response.body += Describe(check);
  }
  if (ok && !verbose) {
    response.body = "ok\n";
  } else {
    absl::StrAppend(&response.body, path.substr(1), ok ? " check passed\n" : " check failed\n");
  }
  return response;
}

Response MetricsPage(const absl::StatusOr<MetricSet>& metrics) {
  if (!metrics.ok()) {
    return {.status = kUnavailable, .body = absl::StrCat(metrics.status().message(), "\n")};
  }
  return {.type = std::string(MetricSet::kContentType), .body = metrics->ToText()};
}

}  // namespace

Handler OpsPages(OpsSources sources) {
  return [sources = std::move(sources)](const Request& request) -> Response {
    if (request.path == "/livez") return Probe(request.path, request.verbose, sources.live());
    if (request.path == "/readyz") return Probe(request.path, request.verbose, sources.ready());
    if (request.path == "/metrics") return MetricsPage(sources.metrics());
    const std::string pages =
        absl::StrCat(sources.process,
                     "\n/livez    whether it lives\n/readyz   whether it can be given work\n"
                     "/metrics  figures for Prometheus\nProbes tell every check with ?verbose.\n");
    if (request.path == "/") return {.body = pages};
    return {.status = kNotFound, .body = absl::StrCat("no such page here. ", pages)};
  };
}

}  // namespace center::http
