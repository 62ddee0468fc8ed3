#include "tests/unit/cli/fake_coordinator.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/status.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

// How often a call that has nothing to do looks whether its caller is still there.
constexpr absl::Duration kCancelCheck = absl::Milliseconds(2);

}  // namespace

void FakePayloads::Append(const std::string& worker, size_t count) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string>& payloads = workers_[worker].payloads;
  for (size_t i = 0; i < count; ++i) {
    payloads.push_back(absl::StrCat(worker, "#", payloads.size()));
  }
}

void FakePayloads::AppendPayload(const std::string& worker, std::string payload) {
  absl::MutexLock lock(&mutex_);
  workers_[worker].payloads.push_back(std::move(payload));
}

void FakePayloads::Forget(const std::string& worker, uint64_t before, v1::Gap::Reason reason) {
  absl::MutexLock lock(&mutex_);
  workers_[worker].first_offset = before;
  workers_[worker].why = reason;
}

void FakePayloads::EndNextAfter(size_t messages, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  ends_.emplace_back(messages, std::move(status));
}

void FakePayloads::BeginAtBatches() {
  absl::MutexLock lock(&mutex_);
  begin_at_batches_ = true;
}

void FakePayloads::RefuseCommits(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  commit_status_ = std::move(status);
}

std::vector<v1::StreamPayloadsRequest> FakePayloads::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

std::vector<v1::CommitCursorRequest> FakePayloads::commits() const {
  absl::MutexLock lock(&mutex_);
  return commits_;
}

uint64_t FakePayloads::StartOf(const std::string& name, const Worker& worker,
                               const v1::StreamPayloadsRequest& request) const {
  const v1::StartPosition& start = request.start();
  uint64_t next = 0;
  if (start.has_cursor()) {
    const auto& offsets = start.cursor().next_offsets();
    const auto found = offsets.find(name);
    next = found == offsets.end() ? 0 : found->second;
  } else if (start.place() == v1::StartPosition::PLACE_LATEST) {
    next = worker.payloads.size();
  }
  return begin_at_batches_ ? next / kPayloadsPerBatch * kPayloadsPerBatch : next;
}

bool FakePayloads::Fill(const v1::StreamPayloadsRequest& request, Positions* positions,
                        v1::StreamPayloadsResponse* response) const {
  response->Clear();
  for (const auto& [name, worker] : workers_) {
    const bool known = positions->count(name) > 0;
    Position& position = (*positions)[name];
    if (!known) position.next = StartOf(name, worker, request);
    const uint64_t end = worker.payloads.size();
    if (position.next < worker.first_offset) {
      v1::Gap* gap = response->mutable_gap();
      gap->set_worker(name);
      gap->set_from_offset(position.next);
      gap->set_to_offset(worker.first_offset);
      gap->set_reason(worker.why);
      position.next = worker.first_offset;
      return true;
    }
    if (position.next < end) {
      v1::PayloadBatch* batch = response->add_batches();
      batch->set_worker(name);
      batch->set_first_offset(position.next);
      batch->mutable_receive_time()->set_seconds(1'700'000'000);
      batch->set_peer("127.0.0.1:4000");
      for (size_t i = 0; i < kPayloadsPerBatch && position.next < end; ++i, ++position.next) {
        const std::string& payload = worker.payloads[position.next];
        batch->add_sizes(static_cast<uint32_t>(payload.size()));
        batch->mutable_data()->append(payload);
      }
      position.told = false;
      return true;
    }
    if (!position.told) {
      v1::Progress* progress = response->mutable_progress();
      progress->set_worker(name);
      progress->set_next_offset(position.next);
      progress->set_end_offset(end);
      position.told = true;
      return true;
    }
  }
  return false;
}

grpc::Status FakePayloads::StreamPayloads(grpc::ServerContext* context,
                                          const v1::StreamPayloadsRequest* request,
                                          grpc::ServerWriter<v1::StreamPayloadsResponse>* writer) {
  Positions positions;
  v1::StreamPayloadsResponse response;
  size_t messages_left = std::numeric_limits<size_t>::max();
  absl::Status end;
  {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(*request);
    if (!ends_.empty()) {
      messages_left = ends_.front().first;
      end = ends_.front().second;
      ends_.pop_front();
    }
  }
  while (messages_left > 0) {
    {
      absl::MutexLock lock(&mutex_);
      const auto filled = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return Fill(*request, &positions, &response);
      };
      while (!filled()) {
        if (!request->follow()) return grpc::Status::OK;
        if (context->IsCancelled()) return grpc::Status::CANCELLED;
        const bool never = false;
        mutex_.AwaitWithTimeout(absl::Condition(&never), kCancelCheck);
      }
    }
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
    --messages_left;
  }
  return rpc::ToGrpc(end);
}

grpc::Status FakePayloads::CommitCursor(grpc::ServerContext*,
                                        const v1::CommitCursorRequest* request,
                                        v1::CommitCursorResponse* response) {
  absl::MutexLock lock(&mutex_);
  if (!commit_status_.ok()) return rpc::ToGrpc(commit_status_);
  commits_.push_back(*request);
  *response->mutable_cursor() = request->cursor();
  return grpc::Status::OK;
}

grpc::Status FakeServers::Answer(grpc::ServerContext* context) const {
  if (hangs) {
    absl::Mutex mutex;
    const bool never = false;
    absl::MutexLock lock(&mutex);
    while (!context->IsCancelled()) mutex.AwaitWithTimeout(absl::Condition(&never), kCancelCheck);
  }
  OrderAfterAnswers();
  return rpc::ToGrpc(failure);
}

grpc::Status FakeServers::GetServer(grpc::ServerContext* context,
                                    const v1::GetServerRequest* request,
                                    v1::GetServerResponse* response) {
  const auto found = std::find_if(servers.begin(), servers.end(), [&](const v1::Server& server) {
    return server.name() == request->name();
  });
  if (found != servers.end()) *response->mutable_server() = *found;
  if (!failure.ok() || hangs || found != servers.end()) return Answer(context);
  return rpc::ToGrpc(
      rpc::WithReason(absl::NotFoundError(absl::StrCat("there is no server ", request->name())),
                      "SERVER_NOT_FOUND", {{"server", request->name()}}));
}

grpc::Status FakeServers::ListServers(grpc::ServerContext* context,
                                      const v1::ListServersRequest* request,
                                      v1::ListServersResponse* response) {
  size_t at = 0;
  if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &at)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "page_token"};
  }
  if (at < servers.size()) *response->add_servers() = servers[at];
  if (at + 1 < servers.size()) response->set_next_page_token(absl::StrCat(at + 1));
  return Answer(context);
}

grpc::Status FakeServers::ListWorkers(grpc::ServerContext* context,
                                      const v1::ListWorkersRequest* request,
                                      v1::ListWorkersResponse* response) {
  for (const v1::Server& server : servers) {
    if (request->server().empty() || request->server() == server.name()) {
      response->mutable_workers()->MergeFrom(server.workers());
    }
  }
  return Answer(context);
}

grpc::Status FakeServers::GetWorkerStacks(grpc::ServerContext* context,
                                          const v1::GetWorkerStacksRequest* request,
                                          v1::GetWorkerStacksResponse* response) {
  response->set_name(request->name());
  response->set_pid(100);
  response->mutable_stopped_for()->set_nanos(1'500'000);
  v1::ThreadStack& thread = *response->add_threads();
  thread.set_tid(101);
  thread.set_name("main\x1b");
  v1::StackFrame& known = *thread.add_frames();
  known.set_address(0x1234);
  known.set_function("center::Run()");
  known.set_location("run.cc:12");
  thread.add_frames()->set_address(0x5678);
  response->add_threads()->set_tid(102);
  return Answer(context);
}

grpc::Status FakeServers::StartServer(grpc::ServerContext* context,
                                      const v1::StartServerRequest* request,
                                      v1::StartServerResponse* response) {
  started = *request;
  response->mutable_server()->set_name(request->name());
  *response->mutable_server()->mutable_spec() = request->spec();
  response->mutable_server()->set_state(v1::SERVER_STATE_RUNNING);
  return Answer(context);
}

grpc::Status FakeServers::StopServer(grpc::ServerContext* context,
                                     const v1::StopServerRequest* request,
                                     v1::StopServerResponse* response) {
  stopped = *request;
  response->mutable_server()->set_name(request->name());
  response->mutable_server()->set_state(v1::SERVER_STATE_STOPPED);
  return Answer(context);
}

grpc::Status FakeServers::RestartServer(grpc::ServerContext* context,
                                        const v1::RestartServerRequest* request,
                                        v1::RestartServerResponse* response) {
  restarted = *request;
  response->mutable_server()->set_name(request->name());
  response->set_restarted(2);
  return change_failure.ok() ? Answer(context) : rpc::ToGrpc(change_failure);
}

grpc::Status FakeServers::ScaleServer(grpc::ServerContext* context,
                                      const v1::ScaleServerRequest* request,
                                      v1::ScaleServerResponse* response) {
  scaled = *request;
  response->mutable_server()->set_name(request->name());
  response->set_workers_before(2);
  return change_failure.ok() ? Answer(context) : rpc::ToGrpc(change_failure);
}

grpc::Status FakeServers::UpdateServer(grpc::ServerContext* context,
                                       const v1::UpdateServerRequest* request,
                                       v1::UpdateServerResponse* response) {
  updates.push_back(*request);
  response->mutable_server()->set_name(request->name());
  response->mutable_changes()->Assign(changes.begin(), changes.end());
  if (!request->dry_run() && request->roll() != v1::UpdateServerRequest::ROLL_LATER) {
    response->set_restarted(2);
  }
  if (request->dry_run() || change_failure.ok()) return Answer(context);
  return rpc::ToGrpc(change_failure);
}

grpc::Status FakeServers::RestartWorker(grpc::ServerContext* context,
                                        const v1::RestartWorkerRequest* request,
                                        v1::RestartWorkerResponse* response) {
  worker_restarted = *request;
  response->mutable_worker()->set_name(request->name());
  response->mutable_worker()->set_pid(4711);
  return change_failure.ok() ? Answer(context) : rpc::ToGrpc(change_failure);
}

grpc::Status FakeServers::GetCoordinator(grpc::ServerContext* context,
                                         const v1::GetCoordinatorRequest*,
                                         v1::GetCoordinatorResponse* response) {
  response->mutable_coordinator()->set_pid(4242);
  response->mutable_coordinator()->set_version("9.9.9");
  return Answer(context);
}

grpc::Status FakeEvents::WatchEvents(grpc::ServerContext*, const v1::WatchEventsRequest* request,
                                     grpc::ServerWriter<v1::WatchEventsResponse>* writer) {
  v1::WatchEventsResponse response;
  if (history_gone) {
    response.set_history_gone(true);
    writer->Write(response);
    response.Clear();
  }
  for (const v1::Event& event : events) {
    if (event.id() <= request->since_id()) continue;
    *response.mutable_event() = event;
    writer->Write(response);
  }
  return grpc::Status::OK;
}

FakeCoordinator::FakeCoordinator(const std::string& folder)
    : address_(absl::StrCat("unix:", folder, "/coordinator.sock")) {
  Up();
}

void FakeCoordinator::Up() {
  auto bound = rpc::StartServer({.addresses = {*ParseNetAddress(address_)},
                                 .services = {&payloads, &servers, &events, &jobs, &clients}});
  if (!bound.ok()) std::abort();
  server_ = std::move(bound->server);
}

void FakeCoordinator::Down() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

std::shared_ptr<grpc::Channel> FakeCoordinator::Channel() const {
  return rpc::MakeChannel(*ParseNetAddress(address_));
}

}  // namespace center::cli
