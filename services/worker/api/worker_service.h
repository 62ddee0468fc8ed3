// WorkerService as gRPC sees it: checks the call and starts a PayloadStream.
#pragma once

#include <atomic>
#include <string>

#include "center/v1/worker.grpc.pb.h"
#include "services/common/clock.h"
#include "services/worker/api/stream_scheduler.h"
#include "services/worker/journal/journal.h"

namespace center::worker {

// Thread-safe. Outlives the gRPC server that it is registered with.
class WorkerService final
    : public v1::WorkerService::WithRawCallbackMethod_StreamPayloads<v1::WorkerService::Service> {
 public:
  struct Options {
    std::string worker;  // "<server>/<slot>"
    uint32_t max_subscribers = 1000;
  };

  // What it is given outlives the service. `signal` is told when `journal` has more.
  WorkerService(Options options, const journal::Journal& journal, TailSignal& signal, Clock& clock);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamPayloads(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;

  // Streams that have sent everything end with UNAVAILABLE; new ones are refused.
  void EndStreams() { scheduler_.End(); }
  uint64_t streams() const { return streams_.load(std::memory_order_acquire); }

 private:
  const Options options_;
  const journal::Journal& journal_;
  Clock& clock_;
  std::atomic<uint64_t> streams_{0};
  StreamScheduler scheduler_;
};

}  // namespace center::worker
