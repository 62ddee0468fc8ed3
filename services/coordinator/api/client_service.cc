#include "services/coordinator/api/client_service.h"

#include "services/common/rpc/status.h"
#include "services/coordinator/api/call_deadlines.h"

namespace center::coordinator {
namespace {

// Writes a result that is the response itself.
template <typename Response>
void FinishCall(grpc::ServerUnaryReactor* reactor, Response* response,
                absl::StatusOr<Response> result) {
  const grpc::Status status = rpc::ToGrpc(result.status());
  if (result.ok()) *response = *std::move(result);
  reactor->Finish(status);
}

// Writes a result that is the client in the response.
template <typename Response>
ClientAnswer FinishWithClient(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](const absl::StatusOr<v1::Client>& result) {
    if (result.ok()) *response->mutable_client() = *result;
    reactor->Finish(rpc::ToGrpc(result.status()));
  };
}

}  // namespace

// The request and response live until Finish, so the control thread may use them.

grpc::ServerUnaryReactor* ClientServiceImpl::StartClient(grpc::CallbackServerContext* context,
                                                         const v1::StartClientRequest* request,
                                                         v1::StartClientResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response, deadline = AnswerBy(context->deadline())] {
    clients_.StartClient(*request, deadline, FinishWithClient(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ClientServiceImpl::StopClient(grpc::CallbackServerContext* context,
                                                        const v1::StopClientRequest* request,
                                                        v1::StopClientResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    clients_.StopClient(*request, FinishWithClient(reactor, response));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ClientServiceImpl::GetClient(grpc::CallbackServerContext* context,
                                                       const v1::GetClientRequest* request,
                                                       v1::GetClientResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    FinishWithClient(reactor, response)(clients_.GetClient(request->name()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ClientServiceImpl::ListClients(grpc::CallbackServerContext* context,
                                                         const v1::ListClientsRequest* request,
                                                         v1::ListClientsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    FinishCall(reactor, response, clients_.ListClients(*request));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ClientRegistryServiceImpl::ReportClient(
    grpc::CallbackServerContext* context, const v1::ReportClientRequest* request,
    v1::ReportClientResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  post_([this, reactor, request, response] {
    FinishCall(reactor, response, clients_.Report(*request));
  });
  return reactor;
}

}  // namespace center::coordinator
