// RegistryService for gRPC: the workers' lines to the fleet.
#pragma once

#include <functional>
#include <utility>

#include "center/v1/worker.grpc.pb.h"
#include "services/coordinator/api/fleet.h"

namespace center::coordinator {

// Shut the server down, with the control thread still running, before this is destroyed.
class RegistryServiceImpl final : public v1::RegistryService::CallbackService {
 public:
  RegistryServiceImpl(Fleet& fleet, std::function<void(std::function<void()>)> post)
      : fleet_(fleet), post_(std::move(post)) {}

  grpc::ServerBidiReactor<v1::RegisterRequest, v1::RegisterResponse>* Register(
      grpc::CallbackServerContext* context) override;

 private:
  class Line;

  Fleet& fleet_;
  const std::function<void(std::function<void()>)> post_;
};

}  // namespace center::coordinator
