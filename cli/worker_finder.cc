#include "cli/worker_finder.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "center/v1/payload.grpc.pb.h"
#include "services/common/net_address.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr std::chrono::seconds kFindTimeout{5};

bool IsRunning(v1::ServerState state) {
  return state == v1::SERVER_STATE_STARTING || state == v1::SERVER_STATE_RUNNING ||
         state == v1::SERVER_STATE_DEGRADED;
}

absl::Status Unreachable(const relay::WorkerEndpoint& endpoint, absl::string_view why) {
  return rpc::WithReason(
      absl::FailedPreconditionError(absl::StrCat("worker ", endpoint.worker,
                                                 " cannot be read "
                                                 "directly: it serves on ",
                                                 endpoint.address, ", which ", why)),
      "WORKER_UNREACHABLE", {{"worker", endpoint.worker}});
}

}  // namespace

bool WorkerFinder::Begin(grpc::ClientContext* call) {
  call->set_deadline(std::chrono::system_clock::now() + kFindTimeout);
  absl::MutexLock lock(&mutex_);
  if (!cancelled_) call_ = call;
  return !cancelled_;
}

void WorkerFinder::End() {
  absl::MutexLock lock(&mutex_);
  call_ = nullptr;
}

void WorkerFinder::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (call_ != nullptr) call_->TryCancel();
}

absl::StatusOr<v1::Server> WorkerFinder::Ask() {
  grpc::ClientContext call;
  if (!Begin(&call)) return absl::CancelledError("no longer needed");
  v1::GetServerRequest request;
  request.set_name(options_.server);
  v1::GetServerResponse response;
  const grpc::Status status =
      v1::ServerService::NewStub(options_.coordinator)->GetServer(&call, request, &response);
  End();
  if (!status.ok()) return rpc::FromGrpc(status);
  return std::move(*response.mutable_server());
}

relay::WorkerEndpoint WorkerFinder::EndpointOf(const v1::Worker& worker) {
  Process& process = processes_[worker.name()];
  if (worker.pid() != process.pid || worker.address() != process.address) {
    process = {worker.pid(), worker.address(), process.generation + 1};
  }
  return {.worker = worker.name(), .address = worker.address(), .generation = process.generation};
}

absl::Status WorkerFinder::CheckReachable(const relay::WorkerEndpoint& endpoint) const {
  if (endpoint.address.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const NetAddress address, ParseNetAddress(endpoint.address));
  if (!address.is_unix) return absl::OkStatus();
  ASSIGN_OR_RETURN(const NetAddress coordinator, ParseNetAddress(options_.address));
  if (!coordinator.IsLocal()) return Unreachable(endpoint, "is a socket of another machine");
  // One that is not there belongs to a worker that is being started.
  if (::access(address.path.c_str(), W_OK) == 0 || errno == ENOENT) return absl::OkStatus();
  return Unreachable(endpoint, "this user may not open");
}

bool WorkerFinder::IsArchived(const std::string& worker) {
  grpc::ClientContext call;
  if (!Begin(&call)) return false;
  v1::StreamPayloadsRequest request;
  request.set_server(options_.server);
  request.set_worker(worker);
  // Of a worker without a process there is nothing new: this only tells whether there is one.
  request.mutable_start()->set_place(v1::StartPosition::PLACE_LATEST);
  const auto reader =
      v1::PayloadService::NewStub(options_.coordinator)->StreamPayloads(&call, request);
  v1::StreamPayloadsResponse response;
  while (reader->Read(&response)) {
  }
  const grpc::Status status = reader->Finish();
  End();
  return status.ok();
}

void WorkerFinder::FindArchived(const v1::Server& server) {
  std::set<std::string> listed;
  for (const v1::Worker& worker : server.workers()) listed.insert(worker.name());
  for (const std::string& worker : listed) archived_.erase(worker);
  const auto look = [&](const std::string& worker) {
    if (listed.count(worker) > 0 || archived_.count(worker) > 0) return true;
    if (!IsArchived(worker)) return false;
    archived_.insert(worker);
    return true;
  };
  // Whom we may have read from, and have not heard the last of.
  for (auto process = processes_.begin(); process != processes_.end();) {
    process = look(process->first) ? std::next(process) : processes_.erase(process);
  }
  const uint32_t workers = server.spec().workers();
  if (std::exchange(workers_, workers) == workers || !options_.wants_the_past) return;
  for (const std::string& worker : options_.known) look(worker);
  for (uint32_t slot = workers; look(absl::StrCat(server.name(), "/", slot));) ++slot;
}

absl::Status WorkerFinder::Find() {
  const auto server = Ask();
  if (absl::IsNotFound(server.status())) directory_->RemoveServer(options_.server);
  RETURN_IF_ERROR(server.status());
  std::vector<relay::WorkerEndpoint> endpoints;
  // A server that takes no connections has no payloads.
  if (!server->spec().no_listen()) {
    for (const v1::Worker& worker : server->workers()) {
      endpoints.push_back(EndpointOf(worker));
      if (!found_) RETURN_IF_ERROR(CheckReachable(endpoints.back()));
    }
    if (IsRunning(server->state())) FindArchived(*server);
    for (const std::string& worker : archived_) {
      endpoints.push_back({.worker = worker, .address = options_.address, .archived = true});
    }
  }
  found_ = true;
  directory_->SetServer(options_.server, std::move(endpoints), IsRunning(server->state()));
  return absl::OkStatus();
}

}  // namespace center::cli
