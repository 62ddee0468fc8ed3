// center-worker: one TCP ingestion server with its journal and payload streams. This file wires the
// process to the machine (flags, descriptors, signals, the event loop); services/worker/api
// decides.
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "asio/signal_set.hpp"
#include "asio/steady_timer.hpp"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/rpc/server.h"
#include "services/worker/api/flags.h"
#include "services/worker/api/inherited_fds.h"
#include "services/worker/api/worker.h"

namespace center::worker {
namespace {

// SIGTERM and SIGINT: finish; a second one: at once.
void WatchSignals(asio::signal_set& signals, Worker& worker, bool again) {
  signals.async_wait([&signals, &worker, again](const asio::error_code& error, int number) {
    if (error) return;
    worker.Drain(/*now=*/again, number == SIGINT ? "SIGINT" : "SIGTERM");
    WatchSignals(signals, worker, /*again=*/true);
  });
}

// The tick is the proof that the loop, which all ingest runs on, goes round.
void KeepTicking(asio::steady_timer& timer, Worker& worker) {
  timer.expires_after(kTickInterval);
  timer.async_wait([&timer, &worker](const asio::error_code& error) {
    if (error) return;
    worker.Tick();
    KeepTicking(timer, worker);
  });
}

std::string TakeToken() {
  const char* token = ::getenv("CENTER_WORKER_TOKEN");
  std::string taken = token == nullptr ? "" : token;
  ::unsetenv("CENTER_WORKER_TOKEN");
  return taken;
}

int Main(int argc, char** argv) {
  ParsedFlags parsed = ParseFlags(argc, argv);
  if (const int* exit_code = absl::get_if<int>(&parsed)) return *exit_code;
  Flags& flags = absl::get<Flags>(parsed);
  if (const absl::Status status = InitLogging(flags.log); !status.ok()) {
    spdlog::error("{}", status.message());
    return kExitUsage;
  }
  ::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  auto fds = TakeInheritedFds();
  if (!fds.ok()) {
    spdlog::error("cannot take over what was handed down: {}", fds.status());
    return kExitFailure;
  }
  rpc::InitServerPlugins();

  asio::io_context io(/*concurrency_hint=*/1);
  const auto work = asio::make_work_guard(io);
  asio::signal_set signals(io);
  asio::error_code signal_error;
  for (const int number : {SIGTERM, SIGINT}) {
    signals.add(number, signal_error);
    if (signal_error) spdlog::error("signal {}: {}", number, signal_error.message());
  }
  const Worker::Loop loop{
      .io = io,
      .post = [&io](std::function<void()> task) { asio::post(io, std::move(task)); },
      .stop = [&io] { io.stop(); }};
  auto worker = Worker::Create(std::move(flags), *std::move(fds), TakeToken(), loop, RealClock());
  if (!worker.ok()) {
    spdlog::error("cannot start: {}", worker.status());
    return kExitFailure;
  }
  asio::steady_timer timer(io);
  WatchSignals(signals, **worker, /*again=*/false);
  KeepTicking(timer, **worker);
  io.run();
  const int exit_code = (*worker)->exit_code();
  worker->reset();
  spdlog::info("ended with exit code {}", exit_code);
  return exit_code;
}

}  // namespace
}  // namespace center::worker

int main(int argc, char** argv) { return center::worker::Main(argc, argv); }
