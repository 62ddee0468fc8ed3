#include "services/coordinator/api/server_service.h"

#include <utility>

#include "services/common/rpc/status.h"
#include "services/coordinator/api/call_deadlines.h"

namespace center::coordinator {
namespace {

// Writes the result of a call whose response is a message of its own.
template <typename Response>
void Finish(grpc::ServerUnaryReactor* reactor, Response* response,
            absl::StatusOr<Response> result) {
  if (result.ok()) *response = std::move(*result);
  reactor->Finish(rpc::ToGrpc(result.status()));
}

// The same, for an answer that comes later.
template <typename Response>
Answer<Response> FinishLater(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](const absl::StatusOr<Response>& result) {
    Finish(reactor, response, result);
  };
}

// Writes the result of a call whose response holds one server.
template <typename Response>
ServerAnswer FinishWithServer(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](const absl::StatusOr<v1::Server>& result) {
    if (result.ok()) *response->mutable_server() = *result;
    reactor->Finish(rpc::ToGrpc(result.status()));
  };
}

}  // namespace

// The request and response live until Finish, so the control thread may use them.

grpc::ServerUnaryReactor* ServerServiceImpl::StartServer(grpc::CallbackServerContext* context,
                                                         const v1::StartServerRequest* request,
                                                         v1::StartServerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response, deadline = AnswerBy(context->deadline())] {
    fleet_.StartServer(*request, deadline, FinishWithServer(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::StopServer(grpc::CallbackServerContext* context,
                                                        const v1::StopServerRequest* request,
                                                        v1::StopServerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    fleet_.StopServer(*request, FinishWithServer(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::RestartServer(grpc::CallbackServerContext* context,
                                                           const v1::RestartServerRequest* request,
                                                           v1::RestartServerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response, deadline = AnswerBy(context->deadline())] {
    fleet_.RestartServer(*request, deadline, FinishLater(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::ScaleServer(grpc::CallbackServerContext* context,
                                                         const v1::ScaleServerRequest* request,
                                                         v1::ScaleServerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response, deadline = AnswerBy(context->deadline())] {
    fleet_.ScaleServer(*request, deadline, FinishLater(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::UpdateServer(grpc::CallbackServerContext* context,
                                                          const v1::UpdateServerRequest* request,
                                                          v1::UpdateServerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response, deadline = AnswerBy(context->deadline())] {
    fleet_.UpdateServer(*request, deadline, FinishLater(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::RestartWorker(grpc::CallbackServerContext* context,
                                                           const v1::RestartWorkerRequest* request,
                                                           v1::RestartWorkerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response, deadline = AnswerBy(context->deadline())] {
    fleet_.RestartWorker(*request, deadline, FinishLater(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::GetWorkerStacks(
    grpc::CallbackServerContext* context, const v1::GetWorkerStacksRequest* request,
    v1::GetWorkerStacksResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    fleet_.GetWorkerStacks(
        request->name(),
        [reactor, response](const absl::StatusOr<v1::GetWorkerStacksResponse>& result) {
          Finish(reactor, response, result);
        });
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::GetServer(grpc::CallbackServerContext* context,
                                                       const v1::GetServerRequest* request,
                                                       v1::GetServerResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    FinishWithServer(reactor, response)(fleet_.GetServer(request->name()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::ListServers(grpc::CallbackServerContext* context,
                                                         const v1::ListServersRequest* request,
                                                         v1::ListServersResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    Finish(reactor, response, fleet_.ListServers(*request));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::ListWorkers(grpc::CallbackServerContext* context,
                                                         const v1::ListWorkersRequest* request,
                                                         v1::ListWorkersResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    Finish(reactor, response, fleet_.ListWorkers(*request));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ServerServiceImpl::GetCoordinator(
    grpc::CallbackServerContext* context, const v1::GetCoordinatorRequest* /*request*/,
    v1::GetCoordinatorResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, response] {
    *response->mutable_coordinator() = self_;
    fleet_.CountInto(response->mutable_coordinator());
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace center::coordinator
