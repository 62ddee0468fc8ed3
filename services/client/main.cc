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
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/rpc/channel.h"

namespace center::client {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitUnknown = 3;  // the coordinator does not know this process
constexpr std::chrono::seconds kReportInterval{1};
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

// SIGTERM and SIGINT: end in order; a second one: at once.
void WatchSignals(asio::signal_set& signals, Load& load, bool* ending) {
  signals.async_wait([&signals, &load, ending](const asio::error_code& error, int number) {
    if (error) return;
    const bool again = std::exchange(*ending, true);
    spdlog::info("received {}: {}", number == SIGINT ? "SIGINT" : "SIGTERM",
                 again ? "closing connections" : "ending connections in order");
    load.Stop(/*now=*/again);
    WatchSignals(signals, load, ending);
  });
}

void KeepReporting(asio::steady_timer& timer, const std::function<void()>& report) {
  report();
  timer.expires_after(kReportInterval);
  timer.async_wait([&timer, &report](const asio::error_code& error) {
    if (!error) KeepReporting(timer, report);
  });
}

int Main(int argc, char** argv) {
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

  asio::io_context io(/*concurrency_hint=*/1);
  Load load(io, flags.load);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  asio::steady_timer timer(io);
  bool ending = false;
  int exit_code = 0;
  std::unique_ptr<Reporter> reporter;
  if (flags.coordinator.has_value()) {
    reporter = std::make_unique<Reporter>(rpc::MakeChannel(*flags.coordinator), [&] {
      asio::post(io, [&] {
        exit_code = kExitUnknown;
        load.Stop(/*now=*/false);
      });
    });
  }
  const std::function<void()> report = [&] {
    if (reporter != nullptr) reporter->Report(MakeReport(flags, token, load.stats(), ending));
  };
  WatchSignals(signals, load, &ending);
  load.Start([&] {
    ending = true;
    report();
    io.stop();
  });
  KeepReporting(timer, report);
  io.run();
  if (reporter != nullptr) reporter->Flush(kLastReportTimeout);
  const LoadStats& stats = load.stats();
  spdlog::info("ended: {} payloads sent, {} acknowledged, {} errors", stats.payloads_sent,
               stats.payloads_acknowledged, stats.errors);
  return exit_code;
}

}  // namespace
}  // namespace center::client

int main(int argc, char** argv) { return center::client::Main(argc, argv); }
