// gRPC as a worker's main sets it up, once for all tests of a binary.
#pragma once

#include "grpc/grpc.h"
#include "gtest/gtest.h"
#include "services/common/rpc/server.h"

namespace center::worker {

class GrpcEnvironment final : public ::testing::Environment {
 public:
  void SetUp() override {
    rpc::InitServerPlugins();
    // Without this the library ends with the last channel of each test, and then waits for its
    // pollers, up to 10 s.
    grpc_init();
  }
  void TearDown() override { grpc_shutdown(); }
};

inline ::testing::Environment* const grpc_environment =
    ::testing::AddGlobalTestEnvironment(new GrpcEnvironment);

}  // namespace center::worker
