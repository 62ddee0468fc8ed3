#include "cli/drill_local_fleet.h"

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
constexpr char kServer[] = "drill";
// Rolls and scaling wait for open connections.
constexpr absl::Duration kChangeTimeout = absl::Seconds(120);
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

LocalFleet::LocalFleet(const Context& outer, std::string dir, const LocalFleetOptions& options)
    : DrillFleet(kServer, options.workers, kServerPoll, kChangeTimeout),
      options_(options),
      dir_(std::move(dir)),
      log_(::open(absl::StrCat(dir_, "/drill.log").c_str(),
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)),
      globals_({.address = absl::StrCat("unix:", dir_, "/c.sock"), .timeout = kCallTimeout}),
      dependencies_(outer.dependencies()) {
  dependencies_.err_fd = log_.get();
}

absl::StatusOr<std::unique_ptr<LocalFleet>> LocalFleet::Start(const Context& outer,
                                                              const LocalFleetOptions& options) {
  ASSIGN_OR_RETURN(std::string dir, MakeDir());
  std::unique_ptr<LocalFleet> fleet(new LocalFleet(outer, std::move(dir), options));
  RETURN_IF_ERROR(MakeDirectories(fleet->data_dir()));
  fleet->context_ = fleet->NewContext();
  ASSIGN_OR_RETURN(fleet->spec_, CoordinatorSpec(*fleet->context_, fleet->data_dir(),
                                                 {"--data-dir", fleet->data_dir(), "--listen",
                                                  fleet->globals_.address, "--http", "off"}));
  RETURN_IF_ERROR(fleet->StartCoordinatorAgain());
  RETURN_IF_ERROR(fleet->StartServer());
  return fleet;
}

LocalFleet::~LocalFleet() {
  LocalFleet::Interrupt();
  if (keep_) return;
  std::error_code ignored;  // what cannot be removed is in a temporary folder all the same
  std::filesystem::remove_all(dir_, ignored);
}

std::unique_ptr<Context> LocalFleet::NewContext() const {
  return std::make_unique<Context>(globals_, dependencies_);
}

absl::Status LocalFleet::StartServer() {
  v1::StartServerRequest request;
  request.set_name(kServer);
  request.set_wait_ready(true);
  v1::ServerSpec& spec = *request.mutable_spec();
  spec.set_port(0);
  spec.set_workers(options_.workers);
  spec.set_durability(options_.durability);
  spec.set_segment_bytes(kSegmentBytes);
  spec.set_retain_bytes(kRetainBytes);
  *spec.mutable_liveness_timeout() = ToProto(kLivenessTimeout);
  RETURN_IF_ERROR(
      context_->Call<v1::ServerService>(&v1::ServerService::Stub::StartServer, request).status());
  ASSIGN_OR_RETURN(target_, ResolveTarget(*context_, kServer));
  return WaitReady(options_.workers, kCallTimeout);
}

std::vector<int64_t> LocalFleet::WorkerProcesses() const {
  std::vector<int64_t> pids = ProcessesNaming(dir_);
  std::erase_if(pids, [](int64_t pid) {
    const std::string line = CommandLine(pid);
    return !absl::StrContains(line, absl::StrCat("--name=", kServer, "/")) ||
           absl::StrContains(line, "--archive-idle=");
  });
  return pids;
}

absl::Status LocalFleet::SignalWorker(int64_t pid, int signal) {
  ASSIGN_OR_RETURN(DaemonProcess process, DaemonProcess::Find(pid));
  // The descriptor names one process for good: what it is cannot change after this look.
  if (!absl::StrContains(CommandLine(pid), dir_)) {
    return absl::NotFoundError(absl::StrCat("process ", pid, " is no worker of this drill"));
  }
  return process.Signal(signal);
}

bool LocalFleet::WaitWorkerEnd(int64_t pid, absl::Duration timeout) {
  auto process = DaemonProcess::Find(pid);
  return !process.ok() || process->WaitForEnd(timeout);
}

absl::Status LocalFleet::KillCoordinator() {
  RETURN_IF_ERROR(coordinator_->process.Signal(SIGKILL));
  if (coordinator_->process.WaitForEnd(kDeathTimeout)) return absl::OkStatus();
  return absl::DeadlineExceededError("the coordinator survives SIGKILL");
}

absl::Status LocalFleet::StartCoordinatorAgain() {
  if (interrupted()) return absl::CancelledError("interrupted");
  ASSIGN_OR_RETURN(coordinator_, StartCoordinator(*spec_));
  context_ = NewContext();  // not the back-off of a channel to the one before
  return WaitForCoordinator(*context_, *coordinator_, *spec_).status();
}

absl::Status LocalFleet::Stop() {
  v1::StopServerRequest request;
  request.set_name(kServer);
  RETURN_IF_ERROR(
      context_->Call<v1::ServerService>(&v1::ServerService::Stub::StopServer, request).status());
  RETURN_IF_ERROR(coordinator_->process.Terminate());
  if (coordinator_->process.WaitForEnd(kCallTimeout)) return absl::OkStatus();
  return absl::DeadlineExceededError("the coordinator was told to end, but has not");
}

void LocalFleet::Interrupt() {
  CancelCalls();
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
