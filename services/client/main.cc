// center-client: a traffic generator. This file wires the process to the machine (flags, signals,
// the event loop); services/client/load decides what is sent when.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "asio/signal_set.hpp"
#include "asio/steady_timer.hpp"
#include "services/client/api/flags.h"
#include "services/client/api/reporter.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/rpc/library_settings.h"
#include "services/common/rpc/tls.h"
#include "services/common/rpc/tls_log.h"

namespace center::client {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitUnknown = 3;  // the coordinator does not know this process
constexpr std::chrono::seconds kReportInterval{1};
// So long the first report waits for the first connections, so that it can say how they went.
constexpr std::chrono::milliseconds kFirstReportDelayMax{500};
constexpr absl::Duration kLastReportTimeout = absl::Seconds(2);

v1::ReportClientRequest MakeReport(const Flags& flags, const std::string& token,
                                   const LoadStats& stats, bool ending) {
  v1::ReportClientRequest report;
  report.set_client(flags.name);
  report.set_pid(::getpid());
  report.set_token(token);
  report.set_ending(ending);
  v1::ClientStats* out = report.mutable_stats();
  out->set_connections(stats.connections);
  out->set_payloads_sent(stats.payloads_sent);
  out->set_bytes_sent(stats.bytes_sent);
  out->set_payloads_acknowledged(stats.payloads_acknowledged);
  out->set_errors(stats.errors);
  out->set_reconnects(stats.reconnects);
  out->set_last_error(stats.last_error);
  return report;
}

// Where the server is now, and how it wants payloads.
void FollowTarget(Load& load, const Flags& flags, const v1::ReportClientResponse& answer) {
  auto address = ParseNetAddress(answer.address());
  if (!address.ok() || address->is_unix) return;
  LoadTarget target{
      .host = address->host, .port = address->port, .framing = flags.load.target.framing};
  switch (answer.framing()) {
    case v1::FRAMING_LINE:
      target.framing = Framing::kLine;
      break;
    case v1::FRAMING_LENGTH:
      target.framing = Framing::kLength;
      break;
    case v1::FRAMING_OCTET:
      target.framing = Framing::kOctet;
      break;
    case v1::FRAMING_CHUNK:
      target.framing = Framing::kChunk;
      break;
    default:
      break;
  }
  load.SetTarget(std::move(target));
}

// Gets out of the way of workers that drain, and of a server that is stopped. `drains`: as told
// last.
void MakeWay(Load& load, const v1::ReportClientResponse& answer, absl::optional<uint64_t>* drains) {
  // The first answer tells of drains that were before these connections; a new coordinator counts
  // from nothing.
  if (drains->has_value() && answer.drains() > **drains) load.Renew();
  *drains = answer.drains();
  load.Hold(answer.hold());
}

// SIGTERM and SIGINT: end in order; a second one: at once.
void WatchSignals(asio::signal_set& signals, const std::function<void(int)>& end) {
  signals.async_wait([&signals, &end](const asio::error_code& error, int number) {
    if (error) return;
    end(number);
    WatchSignals(signals, end);
  });
}

void KeepReporting(asio::steady_timer& timer, const std::function<void()>& report);

// Unless something is reported before.
void ReportLater(asio::steady_timer& timer, std::chrono::milliseconds delay,
                 const std::function<void()>& report) {
  timer.expires_after(delay);
  timer.async_wait([&timer, &report](const asio::error_code& error) {
    if (!error) KeepReporting(timer, report);
  });
}

void KeepReporting(asio::steady_timer& timer, const std::function<void()>& report) {
  report();
  ReportLater(timer, kReportInterval, report);
}

bool IsOrphan(const Flags& flags, SteadyTime answered) {
  return flags.coordinator.has_value() && flags.orphan_timeout > SteadyDuration::zero() &&
         RealClock().Steady() - answered > flags.orphan_timeout;
}

// Sends until it is to end; the exit code. `tls` is null without TLS.
int RunLoad(const Flags& flags, const std::string& token, const rpc::Tls* tls) {
  asio::io_context io(/*concurrency_hint=*/1);
  Load load(io, flags.load);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  asio::steady_timer timer(io);
  bool ending = false;
  int exit_code = 0;
  SteadyTime answered = RealClock().Steady();  // when the coordinator was there last
  absl::optional<uint64_t> drains;             // as it told then
  std::unique_ptr<Reporter> reporter;
  if (flags.coordinator.has_value()) {
    reporter = std::make_unique<Reporter>(
        rpc::MakeChannelTo(*flags.coordinator, tls),
        Reporter::Listener{.on_answer =
                               [&](const v1::ReportClientResponse& answer) {
                                 asio::post(io, [&, answer] {
                                   answered = RealClock().Steady();
                                   FollowTarget(load, flags, answer);
                                   MakeWay(load, answer, &drains);
                                 });
                               },
                           .on_unknown =
                               [&] {
                                 asio::post(io, [&] {
                                   exit_code = kExitUnknown;
                                   load.Stop(/*now=*/false);
                                 });
                               }});
  }
  const std::function<void()> report = [&] {
    if (reporter != nullptr) reporter->Report(MakeReport(flags, token, load.stats(), ending));
  };
  const std::function<void()> tick = [&] {
    if (IsOrphan(flags, answered) && !std::exchange(ending, true)) {
      spdlog::warn("no coordinator for longer than --orphan-timeout: ending");
      load.Stop(/*now=*/false);
    }
    report();
  };
  const std::function<void(int)> end = [&](int signal) {
    const bool again = std::exchange(ending, true);
    spdlog::info("received {}: {}", signal == SIGINT ? "SIGINT" : "SIGTERM",
                 again ? "closing connections" : "ending connections in order");
    report();  // at once: so that nobody asks again
    load.Stop(/*now=*/again);
  };
  WatchSignals(signals, end);
  const auto ended = [&] {
    ending = true;
    report();
    io.stop();
  };
  load.Start(ended, /*on_tried=*/[&] { KeepReporting(timer, tick); });
  ReportLater(timer, kFirstReportDelayMax, tick);
  io.run();
  if (reporter != nullptr) reporter->Flush(kLastReportTimeout);
  const LoadStats& stats = load.stats();
  spdlog::info("ended: {} payloads sent, {} acknowledged, {} errors", stats.payloads_sent,
               stats.payloads_acknowledged, stats.errors);
  return exit_code;
}

int Main(int argc, char** argv) {
  rpc::ApplyLibrarySettings();
  ParsedFlags parsed = ParseFlags(argc, argv);
  if (const int* exit_code = absl::get_if<int>(&parsed)) return *exit_code;
  const Flags& flags = absl::get<Flags>(parsed);
  if (const absl::Status status = InitLogging(flags.log); !status.ok()) {
    spdlog::error("{}", status.message());
    return kExitUsage;
  }
  ::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  const char* given = ::getenv("CENTER_CLIENT_TOKEN");
  const std::string token = given == nullptr ? "" : given;
  ::unsetenv("CENTER_CLIENT_TOKEN");

  std::shared_ptr<const rpc::Tls> tls;
  if (flags.tls.given()) {
    rpc::LogTlsFailures();
    auto loaded = rpc::Tls::Load(flags.tls);
    if (!loaded.ok()) {
      spdlog::error("{}", loaded.status().message());
      return kExitUsage;
    }
    tls = *std::move(loaded);
  }
  return RunLoad(flags, token, tls.get());
}

}  // namespace
}  // namespace center::client

int main(int argc, char** argv) { return center::client::Main(argc, argv); }
