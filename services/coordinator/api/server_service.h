// ServerService for gRPC: takes a call to the control thread, and the fleet's answer back.
#pragma once

#include <functional>
#include <string>

#include "center/v1/server.grpc.pb.h"
#include "services/coordinator/api/fleet.h"

namespace center::coordinator {

using Post = std::function<void(std::function<void()>)>;

// Handlers never block: each posts to the control thread and returns. Shut the server down, with
// the control thread still running, before this is destroyed.
class ServerServiceImpl final : public v1::ServerService::CallbackService {
 public:
  // `self` is what GetCoordinator says, but for the counts; set before the first call is served.
  ServerServiceImpl(Fleet& fleet, Post post, const v1::Coordinator& self)
      : fleet_(fleet), post_(std::move(post)), self_(self) {}

  grpc::ServerUnaryReactor* StartServer(grpc::CallbackServerContext* context,
                                        const v1::StartServerRequest* request,
                                        v1::StartServerResponse* response) override;
  grpc::ServerUnaryReactor* StopServer(grpc::CallbackServerContext* context,
                                       const v1::StopServerRequest* request,
                                       v1::StopServerResponse* response) override;
  grpc::ServerUnaryReactor* RestartServer(grpc::CallbackServerContext* context,
                                          const v1::RestartServerRequest* request,
                                          v1::RestartServerResponse* response) override;
  grpc::ServerUnaryReactor* ScaleServer(grpc::CallbackServerContext* context,
                                        const v1::ScaleServerRequest* request,
                                        v1::ScaleServerResponse* response) override;
  grpc::ServerUnaryReactor* UpdateServer(grpc::CallbackServerContext* context,
                                         const v1::UpdateServerRequest* request,
                                         v1::UpdateServerResponse* response) override;
  grpc::ServerUnaryReactor* RestartWorker(grpc::CallbackServerContext* context,
                                          const v1::RestartWorkerRequest* request,
                                          v1::RestartWorkerResponse* response) override;
  grpc::ServerUnaryReactor* GetWorkerStacks(grpc::CallbackServerContext* context,
                                            const v1::GetWorkerStacksRequest* request,
                                            v1::GetWorkerStacksResponse* response) override;
  grpc::ServerUnaryReactor* GetServer(grpc::CallbackServerContext* context,
                                      const v1::GetServerRequest* request,
                                      v1::GetServerResponse* response) override;
  grpc::ServerUnaryReactor* ListServers(grpc::CallbackServerContext* context,
                                        const v1::ListServersRequest* request,
                                        v1::ListServersResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* GetCoordinator(grpc::CallbackServerContext* context,
                                           const v1::GetCoordinatorRequest* request,
                                           v1::GetCoordinatorResponse* response) override;

 private:
  Fleet& fleet_;
  const Post post_;
  const v1::Coordinator& self_;
};

}  // namespace center::coordinator
