#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/subscriber.h"
#include "cli/tcp.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr absl::Duration kLatencyCatchUpTimeout = absl::Seconds(30);
constexpr size_t kStampBytes = 16;  // hex digits of a CLOCK_MONOTONIC time in nanoseconds

int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void SleepUntil(int64_t nanos) {
  const timespec until{nanos / 1'000'000'000, nanos % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

// Sends one stamped payload at each tick; a late tick is sent at once. Returns how many were sent.
absl::StatusOr<uint64_t> SendStamped(int fd, const Target& target, v1::Framing framing,
                                     const BenchLatencyOptions& options,
                                     const std::atomic<bool>& stopped) {
  // Otherwise the kernel may be 50 us late at each tick.
  ::prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);
  const auto count = static_cast<uint64_t>(
      std::llround(absl::ToDoubleSeconds(options.duration) * static_cast<double>(options.rate)));
  std::string payload(options.payload_bytes, '.');
  std::string frame;
  const int64_t start = NowNanos();
  for (uint64_t i = 0; i < count; ++i) {
    if (stopped) return i;
    const auto due =
        static_cast<int64_t>(static_cast<double>(i) * 1e9 / static_cast<double>(options.rate));
    if (start + due > NowNanos()) SleepUntil(start + due);
    const std::string stamp = absl::StrFormat("%016x", NowNanos());
    payload.replace(0, kStampBytes, stamp);
    frame.clear();
    AppendFrame(ToFraming(framing), payload, &frame);
    RETURN_IF_ERROR(SendAll(fd, frame, target));
  }
  return count;
}

struct LatencyReport {
  uint64_t sent = 0;
  uint64_t received = 0;
  double seconds = 0;
  std::vector<uint64_t> sorted_ns;
};

void Print(Context& context, const BenchLatencyOptions& options, const LatencyReport& report) {
  constexpr struct {
    const char* name;
    const char* key;
    double share;
  } kShown[] = {{"p50", "p50Us", 0.5},
                {"p90", "p90Us", 0.9},
                {"p99", "p99Us", 0.99},
                {"p99.9", "p999Us", 0.999},
                {"max", "maxUs", 1}};
  const double rate = static_cast<double>(report.sent) / std::max(report.seconds, 1e-9);
  if (context.globals().format == Format::kJson) {
    std::string text = absl::StrFormat(
        "{\"payloadBytes\": %d, \"sent\": \"%d\", \"received\": \"%d\", \"payloadsPerSecond\": "
        "%.1f",
        options.payload_bytes, report.sent, report.received, rate);
    for (const auto& shown : kShown) {
      absl::StrAppendFormat(&text, ", \"%s\": %.1f", shown.key,
                            static_cast<double>(Percentile(report.sorted_ns, shown.share)) / 1e3);
    }
    context.out().Append(text + "}\n");
    return;
  }
  std::string text = absl::StrFormat("%s payloads of %s at %s/s, from send to receipt:\n",
                                     FormatCount(report.received),
                                     FormatBytes(options.payload_bytes), FormatSi(rate));
  for (const auto& shown : kShown) {
    absl::StrAppendFormat(&text, "  %-6s %9.1f us\n", shown.name,
                          static_cast<double>(Percentile(report.sorted_ns, shown.share)) / 1e3);
  }
  context.out().Append(text);
}

}  // namespace

uint64_t Percentile(const std::vector<uint64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

absl::Status BenchLatency(Context& context, const BenchLatencyOptions& options) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson}));
  std::atomic<bool> stopped{false};
  SignalWatcher watcher([&](int) { stopped = true; });
  ASSIGN_OR_RETURN(const Target target, ResolveTarget(context, options.server));
  if (!target.server.has_value()) return UsageError("--server takes the name of a server");
  const v1::Framing framing = target.server->spec().framing();
  if (framing == v1::FRAMING_CHUNK) {
    return absl::FailedPreconditionError("a server with framing chunk cannot be measured");
  }
  ASSIGN_OR_RETURN(const v1::Cursor before, JournalEnds(context, options.server));
  ASSIGN_OR_RETURN(auto source, OpenPayloads(context, FollowFrom(options.server, before),
                                             options.direct ? Route::kDirect : Route::kRelayed));
  ASSIGN_OR_RETURN(const ScopedFd fd, ConnectToTarget(target));
  LatencyReport report;
  // Bounded: an hour of a million a second grows as it comes.
  constexpr double kReserveMax = 10e6;
  report.sorted_ns.reserve(static_cast<size_t>(std::min(
      kReserveMax, absl::ToDoubleSeconds(options.duration) * static_cast<double>(options.rate))));
  uint64_t foreign = 0;  // payloads that carry no stamp: somebody else's
  Subscriber subscriber(std::move(source), [&](absl::string_view payload) {
    const int64_t now = NowNanos();
    uint64_t stamp = 0;
    if (!absl::SimpleHexAtoi(payload.substr(0, kStampBytes), &stamp)) {
      ++foreign;
    } else {
      report.sorted_ns.push_back(
          static_cast<uint64_t>(std::max<int64_t>(0, now - static_cast<int64_t>(stamp))));
    }
  });
  context.Say(absl::StrCat("sending to ", target.ToString(), " for ",
                           FormatShortDuration(options.duration), " ..."));
  const int64_t start = NowNanos();
  ASSIGN_OR_RETURN(report.sent, SendStamped(fd.get(), target, framing, options, stopped));
  report.seconds = static_cast<double>(NowNanos() - start) / 1e9;
  WaitForPayloads(subscriber, report.sent, kLatencyCatchUpTimeout, stopped);
  if (const absl::Status ended = subscriber.Stop(); !ended.ok()) {
    return FromRpc(ended, context.address());
  }
  report.received = report.sorted_ns.size();
  std::sort(report.sorted_ns.begin(), report.sorted_ns.end());
  Print(context, options, report);
  RETURN_IF_ERROR(context.out().Flush());
  if (foreign > 0) {
    context.Warn(absl::StrCat("centerctl: ", FormatCount(foreign),
                              " payloads of other producers came in between and were left out"));
  }
  if (report.received == report.sent) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("sent ", FormatCount(report.sent), ", but received ",
                                          FormatCount(report.received)));
}

}  // namespace center::cli
