#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "tests/unit/cli/fake_coordinator.h"

namespace center::cli {

grpc::Status FakeClients::StartClient(grpc::ServerContext* /*context*/,
                                      const v1::StartClientRequest* request,
                                      v1::StartClientResponse* response) {
  if (!failure.ok()) return rpc::ToGrpc(failure);
  started = *request;
  v1::Client& client = *response->mutable_client();
  client.set_name(request->name());
  *client.mutable_spec() = request->spec();
  client.set_state(v1::CLIENT_STATE_RUNNING);
  client.set_address("127.0.0.1:5000");
  return grpc::Status::OK;
}

grpc::Status FakeClients::StopClient(grpc::ServerContext* /*context*/,
                                     const v1::StopClientRequest* request,
                                     v1::StopClientResponse* response) {
  stopped = *request;
  if (!failure.ok()) return rpc::ToGrpc(failure);
  *response->mutable_client() = clients.front();
  response->mutable_client()->set_state(v1::CLIENT_STATE_STOPPED);
  return grpc::Status::OK;
}

grpc::Status FakeClients::GetClient(grpc::ServerContext* /*context*/,
                                    const v1::GetClientRequest* request,
                                    v1::GetClientResponse* response) {
  for (const v1::Client& client : clients) {
    if (client.name() != request->name()) continue;
    *response->mutable_client() = client;
    return grpc::Status::OK;
  }
  return rpc::ToGrpc(rpc::WithReason(
      absl::NotFoundError(absl::StrCat("there is no client '", request->name(), "'")),
      "CLIENT_NOT_FOUND", {{"client", request->name()}}));
}

grpc::Status FakeClients::ListClients(grpc::ServerContext* /*context*/,
                                      const v1::ListClientsRequest* request,
                                      v1::ListClientsResponse* response) {
  size_t index = 0;
  if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &index)) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "page_token"};
  }
  if (index < clients.size()) *response->add_clients() = clients[index];
  if (index + 1 < clients.size()) response->set_next_page_token(absl::StrCat(index + 1));
  return grpc::Status::OK;
}

}  // namespace center::cli
