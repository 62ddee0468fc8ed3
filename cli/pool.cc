#include "cli/pool.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/job.h"
#include "cli/request_id.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr char kPrivateServer[] = "pool";
constexpr absl::Duration kStartTimeout = absl::Seconds(30);
constexpr absl::Duration kEndTimeout = absl::Seconds(15);
constexpr size_t kLogShownBytes = 4096;

// A folder under $TMPDIR; "" when none can be made.
std::string MakeFolder() {
  const char* base = std::getenv("TMPDIR");
  std::string path =
      absl::StrCat(base != nullptr && *base == '/' ? base : "/tmp", "/center-XXXXXX");
  return ::mkdtemp(path.data()) == nullptr ? "" : path;
}

// As `outer`'s, but for a coordinator in `folder`, if there is one.
Globals GlobalsFor(const Context& outer, const std::string& folder) {
  Globals globals = outer.globals();
  if (!folder.empty()) globals.address = absl::StrCat("unix:", folder, "/center.sock");
  return globals;
}

}  // namespace

Pool::Pool(Context& outer) : context_(outer.globals(), outer.dependencies()) {}

absl::Status Pool::StartCoordinator() {
  const DaemonSpec spec{
      .program = absl::StrCat(context_.dependencies().program_dir, "/center-coordinator"),
      .args = {"--data-dir", folder_, "--listen", context_.address(), "--http", "off"},
      .log_path = absl::StrCat(folder_, "/coordinator.log"),
      .own_session = false};
  if (::access(spec.program.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("there is no program ", spec.program,
                                            ": centerctl looks for it beside itself"));
  }
  ASSIGN_OR_RETURN(DaemonProcess daemon, DaemonProcess::Start(spec));
  daemon_ = std::make_unique<DaemonProcess>(std::move(daemon));
  ASSIGN_OR_RETURN(const auto channel, context_.Channel());
  const absl::Time deadline = absl::Now() + kStartTimeout;
  while (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Milliseconds(20)))) {
    if (daemon_->WaitForEnd(absl::ZeroDuration()) || absl::Now() > deadline) {
      return absl::InternalError(absl::StrCat("the private coordinator does not start; it said:\n",
                                              FileTail(spec.log_path, 0, kLogShownBytes)));
    }
  }
  return absl::OkStatus();
}

absl::Status Pool::StartWorkers(uint32_t workers) {
  v1::StartServerRequest request;
  request.set_name(kPrivateServer);
  request.mutable_spec()->set_no_listen(true);
  request.mutable_spec()->set_workers(workers);
  request.set_wait_ready(true);
  request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const auto answer,
                   context_.Call<v1::ServerService>(&v1::ServerService::Stub::StartServer, request,
                                                    kStartTimeout));
  server_ = kPrivateServer;
  workers_ = answer.server().spec().workers();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Pool>> Pool::StartPrivate(Context& context, uint32_t workers) {
  const std::string folder = MakeFolder();
  if (folder.empty()) return ErrnoStatus(errno, "make a temporary folder");
  Context inner(GlobalsFor(context, folder), context.dependencies());
  std::unique_ptr<Pool> pool(new Pool(inner));
  pool->folder_ = folder;
  RETURN_IF_ERROR(pool->StartCoordinator());
  RETURN_IF_ERROR(pool->StartWorkers(workers));
  return pool;
}

absl::StatusOr<std::unique_ptr<Pool>> Pool::UseServer(Context& context, const std::string& server) {
  std::unique_ptr<Pool> pool(new Pool(context));
  v1::GetServerRequest request;
  request.set_name(server);
  ASSIGN_OR_RETURN(const auto answer, pool->context_.Call<v1::ServerService>(
                                          &v1::ServerService::Stub::GetServer, request));
  if (answer.server().state() == v1::SERVER_STATE_STOPPED) {
    return NotRunningError(absl::StrCat("server ", server, " is stopped: `centerctl server start ",
                                        server, "` starts it"));
  }
  pool->server_ = server;
  pool->workers_ = answer.server().spec().workers();
  return pool;
}

Pool::~Pool() {
  if (daemon_ != nullptr) {
    if (!server_.empty()) {
      v1::StopServerRequest request;
      request.set_name(server_);
      request.set_now(true);
      request.set_request_id(NewRequestId());
      // The coordinator's end ends what is left of them.
      (void)context_.Call<v1::ServerService>(&v1::ServerService::Stub::StopServer, request,
                                             kEndTimeout);
    }
    if (!daemon_->Terminate().ok() || !daemon_->WaitForEnd(kEndTimeout)) {
      context_.Warn(absl::StrCat("centerctl: the private coordinator (pid ", daemon_->pid(),
                                 ") does not end; its folder is ", folder_));
      return;
    }
  }
  std::error_code error;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, error);
}

absl::StatusOr<v1::Job> Pool::Run(v1::JobSpec spec, RecordReader* inputs, OnResults on_results) {
  v1::JobSubmission submission;
  *submission.mutable_spec() = std::move(spec);
  submission.mutable_spec()->set_server(server_);
  submission.mutable_spec()->set_discard_results(true);
  submission.set_stream_results(true);
  JobListener listener;
  listener.on_results = std::move(on_results);
  JobRun run(context_, std::move(submission), std::move(listener));
  if (inputs != nullptr) run.SetInputs(inputs);
  {
    absl::MutexLock lock(&mutex_);
    if (interrupted_) return QuietExit(kExitInterrupted);
    running_ = &run;
  }
  auto job = run.Run();
  {
    absl::MutexLock lock(&mutex_);
    running_ = nullptr;
  }
  RETURN_IF_ERROR(job.status());
  if (run.interrupted()) return QuietExit(kExitInterrupted);
  if (job->state() != v1::JOB_STATE_SUCCEEDED) return Conclude(context_, *job);
  return job;
}

void Pool::Interrupt() {
  absl::MutexLock lock(&mutex_);
  if (std::exchange(interrupted_, true)) return;
  if (running_ != nullptr) running_->Interrupt(1);
}

}  // namespace center::cli
