// WorkerService as gRPC sees it: checks the call and starts a PayloadStream, or hands it to the
// ComputeHost.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/types/optional.h"
#include "center/v1/worker.grpc.pb.h"
#include "services/common/clock.h"
#include "services/worker/api/compute_host.h"
#include "services/worker/api/stream_scheduler.h"
#include "services/worker/journal/journal.h"

namespace center::worker {

// Thread-safe. Outlives the gRPC server that it is registered with.
class WorkerService final
    : public v1::WorkerService::WithRawCallbackMethod_StreamPayloads<
          v1::WorkerService::WithCallbackMethod_Compute<v1::WorkerService::Service>> {
 public:
  struct Options {
    std::string worker;  // "<server>/<slot>"
    uint32_t max_subscribers = 1000;
  };

  // Where payloads are, and who is told when there are more.
  struct Payloads {
    const journal::Journal& journal;
    TailSignal& signal;
  };

  // What it is given outlives the service. Without `payloads` there are none to be streamed.
  WorkerService(Options options, const absl::optional<Payloads>& payloads, ComputeHost& compute,
                Clock& clock);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamPayloads(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerBidiReactor<v1::ComputeRequest, v1::ComputeResponse>* Compute(
      grpc::CallbackServerContext* /*context*/) override {
    return compute_.Connect();
  }

  // Streams that have sent everything end with UNAVAILABLE; new ones are refused.
  void EndStreams();
  // Waits until no stream of either kind is left; false: some are, after `timeout`.
  bool AwaitNoStreams(absl::Duration timeout) const;
  uint64_t streams() const { return streams_.load(std::memory_order_acquire); }

 private:
  const Options options_;
  const absl::optional<Payloads> payloads_;
  ComputeHost& compute_;
  Clock& clock_;
  std::atomic<uint64_t> streams_{0};
  std::unique_ptr<StreamScheduler> scheduler_;  // null without payloads
};

}  // namespace center::worker
