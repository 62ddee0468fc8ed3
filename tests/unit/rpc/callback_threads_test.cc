// On how many threads callbacks run once they are prepared.
#include "services/common/rpc/callback_threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"

namespace center::rpc {
namespace {

struct FailingCall {
  grpc::ClientContext context;
  grpc::Slice nothing;
  grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer response;
};

TEST(CallbackThreadsTest, ThereIsOneForEveryTwoCores) {
  constexpr int kCalls = 500;
  PrepareCallbackThreads();
  PrepareCallbackThreads();
  absl::Mutex mutex;
  std::set<std::thread::id> threads;
  absl::BlockingCounter calls_left(kCalls);
  // Nobody listens there: each call fails at once.
  grpc::GenericStub stub(grpc::CreateChannel("unix:/dev/zero", grpc::InsecureChannelCredentials()));
  std::vector<std::unique_ptr<FailingCall>> calls;
  for (int i = 0; i < kCalls; ++i) {
    FailingCall& call = *calls.emplace_back(std::make_unique<FailingCall>());
    stub.UnaryCall(&call.context, "/", {}, &call.request, &call.response,
                   [&](const grpc::Status& status) {
                     EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
                     {
                       absl::MutexLock lock(&mutex);
                       threads.insert(std::this_thread::get_id());
                     }
                     calls_left.DecrementCount();
                   });
  }
  calls_left.Wait();
  const size_t cores = std::max(std::thread::hardware_concurrency(), 2U);
  EXPECT_LE(threads.size(), cores / 2);
}

}  // namespace
}  // namespace center::rpc
