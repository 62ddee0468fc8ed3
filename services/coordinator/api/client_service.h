// ClientService and ClientRegistryService for gRPC: take a call to the control thread, and the
// answer back.
#pragma once

#include <functional>
#include <utility>

#include "center/v1/client.grpc.pb.h"
#include "services/coordinator/api/client_fleet.h"

namespace center::coordinator {

// Handlers never block: each posts to the control thread and returns. Shut the server down, with
// the control thread still running, before these are destroyed.
class ClientServiceImpl final : public v1::ClientService::CallbackService {
 public:
  ClientServiceImpl(ClientFleet& clients, std::function<void(std::function<void()>)> post)
      : clients_(clients), post_(std::move(post)) {}

  grpc::ServerUnaryReactor* StartClient(grpc::CallbackServerContext* context,
                                        const v1::StartClientRequest* request,
                                        v1::StartClientResponse* response) override;
  grpc::ServerUnaryReactor* StopClient(grpc::CallbackServerContext* context,
                                       const v1::StopClientRequest* request,
                                       v1::StopClientResponse* response) override;
  grpc::ServerUnaryReactor* GetClient(grpc::CallbackServerContext* context,
                                      const v1::GetClientRequest* request,
                                      v1::GetClientResponse* response) override;
  grpc::ServerUnaryReactor* ListClients(grpc::CallbackServerContext* context,
                                        const v1::ListClientsRequest* request,
                                        v1::ListClientsResponse* response) override;

 private:
  ClientFleet& clients_;
  const std::function<void(std::function<void()>)> post_;
};

class ClientRegistryServiceImpl final : public v1::ClientRegistryService::CallbackService {
 public:
  ClientRegistryServiceImpl(ClientFleet& clients, std::function<void(std::function<void()>)> post)
      : clients_(clients), post_(std::move(post)) {}

  grpc::ServerUnaryReactor* ReportClient(grpc::CallbackServerContext* context,
                                         const v1::ReportClientRequest* request,
                                         v1::ReportClientResponse* response) override;

 private:
  ClientFleet& clients_;
  const std::function<void(std::function<void()>)> post_;
};

}  // namespace center::coordinator
