#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/bench.h"
#include "cli/blast.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/subscriber.h"
#include "cli/tcp.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

// How long subscribers may take for what is still on its way when the sending has ended.
constexpr absl::Duration kCatchUpTimeout = absl::Seconds(60);

// Payloads over seconds.
struct Rate {
  uint64_t payloads = 0;
  double seconds = 0;
};

// What a subscriber got, and what its stream told it that it will never get.
struct Reception {
  Rate rate;
  uint64_t deleted = 0;  // by retention, before it was read
  uint64_t missing = 0;  // these and others
};

struct Report {
  Rate sent;
  absl::optional<uint64_t> journalled;
  std::vector<Reception> received;

  // Every payload is where it was sent to, or a Gap says that retention deleted it.
  bool Reconciled() const {
    if (journalled.has_value() && *journalled != sent.payloads) return false;
    return std::all_of(received.begin(), received.end(), [this](const Reception& reception) {
      return reception.rate.payloads + reception.deleted == sent.payloads;
    });
  }
  uint64_t deleted() const {
    uint64_t sum = 0;
    for (const Reception& reception : received) sum += reception.deleted;
    return sum;
  }
  uint64_t missing() const {
    uint64_t sum = 0;
    for (const Reception& reception : received) sum += reception.missing;
    return sum;
  }
};

double PerSecond(const Rate& rate) {
  return static_cast<double>(rate.payloads) / std::max(rate.seconds, 1e-9);
}

double MibPerSecond(const Rate& rate, uint64_t payload_bytes) {
  return PerSecond(rate) * static_cast<double>(payload_bytes) / (1 << 20);
}

std::string RateText(const Rate& rate, uint64_t payload_bytes) {
  return absl::StrFormat("%9.3f M payloads/s  %8.1f MiB/s  (%s in %.2fs)", PerSecond(rate) / 1e6,
                         MibPerSecond(rate, payload_bytes), FormatCount(rate.payloads),
                         rate.seconds);
}

std::string RateJson(const Rate& rate, uint64_t payload_bytes) {
  return absl::StrFormat(
      "{\"payloads\": \"%d\", \"seconds\": %.6f, \"payloadsPerSecond\": %.1f, "
      "\"mibPerSecond\": %.3f}",
      rate.payloads, rate.seconds, PerSecond(rate), MibPerSecond(rate, payload_bytes));
}

void PrintJson(Context& context, const BenchIngestOptions& options, const Report& report) {
  std::string received;
  for (const Reception& reception : report.received) {
    absl::StrAppend(&received, received.empty() ? "" : ", ",
                    RateJson(reception.rate, options.payload_bytes));
  }
  context.out().Append(absl::StrCat(
      "{\"payloadBytes\": ", options.payload_bytes, ", \"connections\": ", options.connections,
      ", \"sent\": ", RateJson(report.sent, options.payload_bytes), ", \"journalled\": ",
      report.journalled.has_value() ? absl::StrCat("\"", *report.journalled, "\"") : "null",
      ", \"received\": [", received, "], \"missing\": \"", report.missing(),
      "\", \"deletedByRetention\": \"", report.deleted(),
      "\", \"reconciled\": ", report.Reconciled() ? "true" : "false", "}\n"));
}

void AppendCounts(const Report& report, const Style& style, std::string* text) {
  absl::StrAppend(text, "counts             sent ", FormatCount(report.sent.payloads),
                  ", journalled ", FormatCount(*report.journalled));
  for (const Reception& reception : report.received) {
    absl::StrAppend(text, ", received ", FormatCount(reception.rate.payloads));
    if (reception.deleted > 0) {
      absl::StrAppend(text, " and a Gap of ", FormatCount(reception.deleted));
    }
  }
  absl::StrAppend(text, ": ",
                  !report.Reconciled()   ? style(Color::kRed, "THEY DIFFER")
                  : report.deleted() > 0 ? style(Color::kYellow, "they add up")
                                         : style(Color::kGreen, "all equal"),
                  "\n");
  if (report.deleted() > 0) {
    absl::StrAppend(text, "retention deleted  ", FormatCount(report.deleted()),
                    " (Gap) before they were read: more was sent than --retain-bytes keeps for a "
                    "slower reader\n");
  }
}

void PrintText(Context& context, const BenchIngestOptions& options, const Report& report) {
  std::string text = absl::StrCat(options.connections,
                                  options.connections == 1 ? " connection, " : " connections, ",
                                  FormatBytes(options.payload_bytes), " payloads\n");
  absl::StrAppend(&text, "into the workers   ", RateText(report.sent, options.payload_bytes), "\n");
  for (size_t i = 0; i < report.received.size(); ++i) {
    absl::StrAppend(&text, absl::StrFormat("to subscriber %-4d ", i + 1),
                    RateText(report.received[i].rate, options.payload_bytes), "\n");
  }
  if (report.journalled.has_value()) AppendCounts(report, context.out_style(), &text);
  context.out().Append(text);
}

// Everything between the first payload and the last count.
absl::StatusOr<Report> Measure(Context& context, const BenchIngestOptions& options,
                               const BlastOptions& blast, const std::string& server,
                               const std::atomic<bool>& stopped) {
  v1::Cursor before;
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  if (!server.empty()) {
    ASSIGN_OR_RETURN(before, JournalEnds(context, server));
    const Route route = options.direct ? Route::kDirect : Route::kRelayed;
    for (uint32_t i = 0; i < options.subscribers; ++i) {
      ASSIGN_OR_RETURN(auto source, OpenPayloads(context, FollowFrom(server, before), route));
      subscribers.push_back(std::make_unique<Subscriber>(std::move(source), nullptr));
    }
  }
  context.Say(options.count > 0 ? absl::StrCat("sending ", FormatCount(options.count),
                                               " payloads to ", blast.target.ToString(), " ...")
                                : absl::StrCat("sending to ", blast.target.ToString(), " for ",
                                               FormatShortDuration(options.duration), " ..."));
  Report report;
  const SteadyTime start = context.clock().Steady();
  ASSIGN_OR_RETURN(const BlastResult sent, Blast(blast));
  report.sent = {sent.payloads, sent.seconds};
  if (server.empty()) return report;
  ASSIGN_OR_RETURN(const v1::Cursor after, JournalEnds(context, server));
  report.journalled = PayloadsBetween(before, after);
  for (const auto& subscriber : subscribers) {
    WaitForPayloads(*subscriber, *report.journalled, kCatchUpTimeout, stopped);
    const double seconds =
        std::chrono::duration<double>(subscriber->last_receive() - start).count();
    report.received.push_back({{subscriber->payloads(), std::max(seconds, 0.0)},
                               subscriber->deleted(),
                               subscriber->missing()});
    const absl::Status ended = subscriber->Stop();
    if (!ended.ok()) return FromRpc(ended, context.address());
  }
  return report;
}

}  // namespace

absl::Status BenchIngest(Context& context, const BenchIngestOptions& options) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson}));
  // Before the first channel. Ctrl-C ends the sending; what was sent is still counted.
  std::atomic<bool> stopped{false};
  std::atomic<bool> give_up{false};
  SignalWatcher watcher([&](int count) {
    stopped = true;
    if (count > 1) give_up = true;
  });
  const std::string server =
      options.server.empty() && options.to.empty() ? "default" : options.server;
  if (server.empty() && options.subscribers > 0) {
    return UsageError("--subscribers needs --server: whose payloads should they read?");
  }
  BlastOptions blast;
  v1::Framing framing = v1::FRAMING_LINE;
  if (!server.empty()) {
    ASSIGN_OR_RETURN(blast.target, ResolveTarget(context, server));
    if (!blast.target.server.has_value()) {
      return UsageError("--server takes the name of a server; --to takes host:port");
    }
    framing = blast.target.server->spec().framing();
  }
  if (!options.to.empty()) {
    ASSIGN_OR_RETURN(blast.target, ResolveTarget(context, options.to));
  }
  if (framing == v1::FRAMING_CHUNK) {
    return absl::FailedPreconditionError(
        absl::StrCat("server ", server,
                     " has framing chunk: its payloads are whatever a read returns and cannot "
                     "be counted by a sender; use one with another framing"));
  }
  blast.framing = framing;
  blast.connections = options.connections;
  blast.threads = options.threads;
  blast.payload_bytes = options.payload_bytes;
  blast.count = options.count;
  blast.duration = options.count > 0 ? absl::InfiniteDuration() : options.duration;
  blast.stop = &stopped;
  ASSIGN_OR_RETURN(const Report report, Measure(context, options, blast, server, give_up));
  if (context.globals().format == Format::kJson) {
    PrintJson(context, options, report);
  } else {
    PrintText(context, options, report);
  }
  RETURN_IF_ERROR(context.out().Flush());
  if (report.Reconciled()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the counts differ",
      report.missing() > 0 ? absl::StrCat(" (subscribers were told of ",
                                          FormatCount(report.missing()), " missing payloads)")
                           : "",
      ": payloads were lost, or somebody else sent to this server at the same time"));
}

}  // namespace center::cli
