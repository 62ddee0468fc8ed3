// center-worker: one TCP ingestion server with its journal and payload streams. This file wires the
// process to the machine (flags, descriptors, signals, the event loop); services/worker/api
// decides.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/rpc/library_settings.h"
#include "services/common/rpc/server.h"
#include "services/common/signal_pipe.h"
#include "services/worker/api/flags.h"
#include "services/worker/api/inherited_fds.h"
#include "services/worker/api/last_words.h"
#include "services/worker/api/pod_token.h"
#include "services/worker/api/worker.h"
#include "services/worker/compute/exec_guard.h"

namespace center::worker {
namespace {

// SIGTERM and SIGINT: finish; a second one: at once.
class Signals {
 public:
  Signals(asio::io_context& io, SignalPipe& pipe, LastWords& last_words)
      : pipe_(pipe), last_words_(last_words), descriptor_(io, pipe.fd()) {}
  ~Signals() { descriptor_.release(); }  // it is the pipe's

  void Watch(Worker& worker) {
    descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                           [this, &worker](const asio::error_code& error) {
                             if (error) return;
                             while (const auto arrival = pipe_.Read()) OnSignal(worker, *arrival);
                             Watch(worker);
                           });
  }

 private:
  void OnSignal(Worker& worker, const SignalPipe::Arrival& arrival) {
    const std::string sender = DescribeSender(arrival.sender);
    last_words_.AskedBy(arrival.sender);
    const std::string why = absl::StrCat(arrival.signal == SIGINT ? "SIGINT" : "SIGTERM",
                                         sender.empty() ? "" : " from ", sender);
    if (std::exchange(again_, true)) return worker.Drain(/*now=*/true, why);
    worker.EndSoon(why);
  }

  SignalPipe& pipe_;
  LastWords& last_words_;
  asio::posix::stream_descriptor descriptor_;
  bool again_ = false;
};

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
  const char* pod = ::getenv("CENTER_POD_UID");
  return taken.empty() && pod != nullptr ? PodToken(pod) : taken;
}

int Run(Flags flags, LastWords& last_words) {
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
  if (fds->scoreboard.valid()) {
    const absl::Status status = last_words.Record(fds->scoreboard.get(), flags.ingest.slot);
    if (!status.ok()) spdlog::error("how this process ends will not be known: {}", status);
    AllowStacksTo(::getppid());  // who has handed it down
  }
  NeverWaitForOutput(*fds);
  rpc::InitServerPlugins();

  asio::io_context io(/*concurrency_hint=*/1);
  const auto work = asio::make_work_guard(io);
  auto pipe = SignalPipe::Open({SIGTERM, SIGINT});
  if (!pipe.ok()) {
    spdlog::error("cannot start: {}", pipe.status());
    return kExitFailure;
  }
  Signals signals(io, **pipe, last_words);
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
  signals.Watch(**worker);
  KeepTicking(timer, **worker);
  io.run();
  const int exit_code = (*worker)->exit_code();
  if ((*worker)->task_stuck()) ::_exit(last_words.Exit(exit_code));
  worker->reset();
  spdlog::info("ended with exit code {}", exit_code);
  return exit_code;
}

int Main(int argc, char** argv) {
  if (argc == 3 && absl::string_view(argv[1]) == compute::ExecGuard::kArgument) {
    return compute::ExecGuard::Main(argv[2]);
  }
  rpc::ApplyLibrarySettings();
  LastWords last_words(argv[0]);
  ParsedFlags parsed = ParseFlags(argc, argv);
  if (const int* exit_code = absl::get_if<int>(&parsed)) return *exit_code;
  return last_words.Exit(Run(std::move(absl::get<Flags>(parsed)), last_words));
}

}  // namespace
}  // namespace center::worker

int main(int argc, char** argv) { return center::worker::Main(argc, argv); }
