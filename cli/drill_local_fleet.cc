#include "cli/drill_fleet.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kServerPoll = absl::Milliseconds(2);
constexpr absl::Duration kDeathTimeout = absl::Seconds(10);
// A stopped worker is to be found within the drill's patience.
constexpr absl::Duration kLivenessTimeout = absl::Seconds(2);
constexpr uint64_t kSegmentBytes = 1 << 20;  // so that segments change while processes die
constexpr uint64_t kRetainBytes = 64ULL << 30;

absl::StatusOr<std::string> MakeDir() {
  const char* base = std::getenv("TMPDIR");
  std::string path =
      absl::StrCat(base != nullptr && *base == '/' ? base : "/tmp", "/center-drill-XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) return ErrnoStatus(errno, absl::StrCat("create ", path));
  return path;
}

// The arguments of a process, each ended by a NUL; empty when it is gone.
std::string CommandLine(int64_t pid) {
  const auto text = ReadSmallFile(absl::StrCat("/proc/", pid, "/cmdline"));
  return text.ok() ? *text : "";
}

std::vector<int64_t> ProcessesNaming(const std::string& folder) {
  std::vector<int64_t> pids;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end;
       it.increment(error)) {
    int64_t pid = 0;
    if (!absl::SimpleAtoi(it->path().filename().string(), &pid) || pid == ::getpid()) continue;
    if (absl::StrContains(CommandLine(pid), folder + "/")) pids.push_back(pid);
  }
  return pids;
}

}  // namespace

DrillFleet::DrillFleet(const Context& outer, std::string dir)
    : dir_(std::move(dir)),
      log_(::open(absl::StrCat(dir_, "/drill.log").c_str(),
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)),
      globals_({.address = absl::StrCat("unix:", dir_, "/c.sock"), .timeout = kCallTimeout}),
      dependencies_(outer.dependencies()) {
  dependencies_.err_fd = log_.get();
}

absl::StatusOr<std::unique_ptr<DrillFleet>> DrillFleet::Start(const Context& outer,
                                                              const DrillFleetOptions& options) {
  ASSIGN_OR_RETURN(std::string dir, MakeDir());
  std::unique_ptr<DrillFleet> fleet(new DrillFleet(outer, std::move(dir)));
  RETURN_IF_ERROR(MakeDirectories(fleet->data_dir()));
  fleet->context_ = fleet->NewContext();
  ASSIGN_OR_RETURN(fleet->spec_, CoordinatorSpec(*fleet->context_, fleet->data_dir(),
                                                 {"--data-dir", fleet->data_dir(), "--listen",
                                                  fleet->globals_.address, "--http", "off"}));
  RETURN_IF_ERROR(fleet->StartCoordinatorAgain());
  RETURN_IF_ERROR(fleet->StartServer(options));
  return fleet;
}

DrillFleet::~DrillFleet() {
  KillAll();
  if (keep_) return;
  std::error_code ignored;  // what cannot be removed is in a temporary folder all the same
  std::filesystem::remove_all(dir_, ignored);
}

std::unique_ptr<Context> DrillFleet::NewContext() const {
  return std::make_unique<Context>(globals_, dependencies_);
}

absl::Status DrillFleet::StartServer(const DrillFleetOptions& options) {
  v1::StartServerRequest request;
  request.set_name(kServer);
  request.set_wait_ready(true);
  v1::ServerSpec& spec = *request.mutable_spec();
  spec.set_port(0);
  spec.set_workers(options.workers);
  spec.set_durability(options.durability);
  spec.set_segment_bytes(kSegmentBytes);
  spec.set_retain_bytes(kRetainBytes);
  *spec.mutable_liveness_timeout() = ToProto(kLivenessTimeout);
  RETURN_IF_ERROR(
      context_->Call<v1::ServerService>(&v1::ServerService::Stub::StartServer, request).status());
  ASSIGN_OR_RETURN(target_, ResolveTarget(*context_, kServer));
  return WaitReady(options.workers, kCallTimeout);
}

absl::StatusOr<v1::Server> DrillFleet::Server() {
  v1::GetServerRequest request;
  request.set_name(kServer);
  ASSIGN_OR_RETURN(auto answer,
                   context_->Call<v1::ServerService>(&v1::ServerService::Stub::GetServer, request));
  return std::move(*answer.mutable_server());
}

absl::StatusOr<std::vector<v1::Event>> DrillFleet::Events() {
  ASSIGN_OR_RETURN(const auto channel, context_->Channel());
  grpc::ClientContext call;
  Context::SetDeadline(call, kCallTimeout);
  const auto stream = v1::EventService::NewStub(channel)->WatchEvents(&call, {});
  std::vector<v1::Event> events;
  for (v1::WatchEventsResponse response; stream->Read(&response);) {
    events.push_back(std::move(*response.mutable_event()));
  }
  RETURN_IF_ERROR(FromRpc(rpc::FromGrpc(stream->Finish()), context_->address()));
  return events;
}

std::vector<int64_t> DrillFleet::WorkerProcesses() const {
  std::vector<int64_t> pids = ProcessesNaming(dir_);
  std::erase_if(pids, [](int64_t pid) {
    const std::string line = CommandLine(pid);
    return !absl::StrContains(line, absl::StrCat("--name=", kServer, "/")) ||
           absl::StrContains(line, "--archive-idle=");
  });
  return pids;
}

absl::Status DrillFleet::WaitReady(uint32_t workers, absl::Duration timeout,
                                   const std::function<bool(const v1::Server&)>& fits) {
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    const auto server = Server();
    const bool ready =
        server.ok() && server->workers_size() == static_cast<int>(workers) &&
        std::all_of(server->workers().begin(), server->workers().end(),
                    [](const auto& worker) { return worker.state() == v1::WORKER_STATE_READY; });
    if (ready && (fits == nullptr || fits(*server))) return absl::OkStatus();
    if (killed()) return absl::CancelledError("interrupted");
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("no full service after ", absl::FormatDuration(timeout), ": ",
                       server.ok() ? absl::StrCat(ReadyCount(*server), " ready; ", server->detail())
                                   : std::string(server.status().message())));
    }
    absl::SleepFor(kServerPoll);
  }
}

absl::Status DrillFleet::SignalWorker(int64_t pid, int signal) {
  ASSIGN_OR_RETURN(DaemonProcess process, DaemonProcess::Find(pid));
  // The descriptor names one process for good: what it is cannot change after this look.
  if (!absl::StrContains(CommandLine(pid), dir_)) {
    return absl::NotFoundError(absl::StrCat("process ", pid, " is no worker of this drill"));
  }
  return process.Signal(signal);
}

bool DrillFleet::WaitWorkerEnd(int64_t pid, absl::Duration timeout) {
  auto process = DaemonProcess::Find(pid);
  return !process.ok() || process->WaitForEnd(timeout);
}

absl::Status DrillFleet::KillCoordinator() {
  RETURN_IF_ERROR(coordinator_->process.Signal(SIGKILL));
  if (coordinator_->process.WaitForEnd(kDeathTimeout)) return absl::OkStatus();
  return absl::DeadlineExceededError("the coordinator survives SIGKILL");
}

absl::Status DrillFleet::StartCoordinatorAgain() {
  if (killed()) return absl::CancelledError("interrupted");
  ASSIGN_OR_RETURN(coordinator_, StartCoordinator(*spec_));
  context_ = NewContext();  // not the back-off of a channel to the one before
  return WaitForCoordinator(*context_, *coordinator_, *spec_).status();
}

absl::Status DrillFleet::Stop() {
  v1::StopServerRequest request;
  request.set_name(kServer);
  RETURN_IF_ERROR(
      context_->Call<v1::ServerService>(&v1::ServerService::Stub::StopServer, request).status());
  RETURN_IF_ERROR(coordinator_->process.Terminate());
  if (coordinator_->process.WaitForEnd(kCallTimeout)) return absl::OkStatus();
  return absl::DeadlineExceededError("the coordinator was told to end, but has not");
}

std::vector<std::string> DrillFleet::JournalDirs() const {
  std::vector<std::string> dirs;
  std::error_code error;
  for (std::filesystem::directory_iterator
           it(absl::StrCat(data_dir(), "/servers/", kServer), error),
       end;
       !error && it != end; it.increment(error)) {
    uint32_t slot = 0;
    if (absl::SimpleAtoi(it->path().filename().string(), &slot))
      dirs.push_back(it->path().string());
  }
  std::sort(dirs.begin(), dirs.end());
  return dirs;
}

void DrillFleet::KillAll() {
  killed_ = true;
  // Again until there is none: a coordinator may start a worker while it is being looked for.
  const absl::Time deadline = absl::Now() + kDeathTimeout;
  for (std::vector<int64_t> pids = ProcessesNaming(dir_); !pids.empty() && absl::Now() < deadline;
       pids = ProcessesNaming(dir_)) {
    for (const int64_t pid : pids) {
      auto process = DaemonProcess::Find(pid);
      if (!process.ok() || !absl::StrContains(CommandLine(pid), dir_ + "/")) continue;
      // Not permitted, or gone already: the next look says which.
      if (process->Signal(SIGKILL).ok()) (void)process->WaitForEnd(kDeathTimeout);
    }
  }
}

}  // namespace center::cli
