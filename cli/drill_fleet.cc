#include "cli/drill_fleet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::Duration kEventsTimeout = absl::Seconds(30);

}  // namespace

absl::StatusOr<v1::Server> DrillFleet::Server() {
  v1::GetServerRequest request;
  request.set_name(server());
  ASSIGN_OR_RETURN(auto answer,
                   context().Call<v1::ServerService>(&v1::ServerService::Stub::GetServer, request));
  return std::move(*answer.mutable_server());
}

absl::StatusOr<std::vector<v1::Event>> DrillFleet::Events(uint64_t since_id) {
  ASSIGN_OR_RETURN(const auto channel, context().Channel());
  grpc::ClientContext call;
  Context::SetDeadline(call, kEventsTimeout);
  v1::WatchEventsRequest request;
  request.set_since_id(since_id);
  const auto stream = v1::EventService::NewStub(channel)->WatchEvents(&call, request);
  std::vector<v1::Event> events;
  for (v1::WatchEventsResponse response; stream->Read(&response);) {
    events.push_back(std::move(*response.mutable_event()));
  }
  RETURN_IF_ERROR(FromRpc(rpc::FromGrpc(stream->Finish()), context().address()));
  return events;
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
    if (interrupted()) return absl::CancelledError("interrupted");
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("no full service after ", absl::FormatDuration(timeout), ": ",
                       server.ok() ? absl::StrCat(ReadyCount(*server), " ready; ", server->detail())
                                   : std::string(server.status().message())));
    }
    absl::SleepFor(poll_);
  }
}

template <typename Request, typename Response>
absl::Status DrillFleet::Change(Context& context,
                                grpc::Status (v1::ServerService::Stub::*method)(
                                    grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
  ASSIGN_OR_RETURN(const auto channel, context.Channel());
  const auto stub = v1::ServerService::NewStub(channel);
  grpc::ClientContext call;
  Context::SetDeadline(call, change_timeout_);
  {
    absl::MutexLock lock(&mutex_);
    if (interrupted()) return absl::CancelledError("interrupted");
    calls_.insert(&call);
  }
  Response response;
  const grpc::Status status = (stub.get()->*method)(&call, request, &response);
  absl::MutexLock lock(&mutex_);
  calls_.erase(&call);
  return FromRpc(rpc::FromGrpc(status), context.address());
}

absl::Status DrillFleet::Roll(Context& context) {
  v1::RestartServerRequest request;
  request.set_name(server());
  return Change(context, &v1::ServerService::Stub::RestartServer, request);
}

absl::Status DrillFleet::Scale(Context& context, uint32_t workers) {
  v1::ScaleServerRequest request;
  request.set_name(server());
  request.set_workers(workers);
  scaled_to_ = workers;
  return Change(context, &v1::ServerService::Stub::ScaleServer, request);
}

absl::Status DrillFleet::RestartWorker(Context& context, const std::string& worker, bool now) {
  v1::RestartWorkerRequest request;
  request.set_name(worker);
  request.set_now(now);
  return Change(context, &v1::ServerService::Stub::RestartWorker, request);
}

void DrillFleet::CancelCalls() {
  absl::MutexLock lock(&mutex_);
  interrupted_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

}  // namespace center::cli
