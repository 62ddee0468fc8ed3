#include "services/worker/api/compute_host.h"

#include <utility>

#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/worker/api/compute_messages.h"

namespace center::worker {
namespace {

// A call that fails at once.
class RefusedCompute final
    : public grpc::ServerBidiReactor<v1::ComputeRequest, v1::ComputeResponse> {
 public:
  explicit RefusedCompute(const absl::Status& status) { Finish(rpc::ToGrpc(status)); }
  void OnDone() override { delete this; }
};

absl::Status ComputeEnding() {
  return rpc::WithReason(absl::UnavailableError("the worker is ending"), "WORKER_UNAVAILABLE");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ComputeHost>> ComputeHost::Create(std::string worker,
                                                                 const Options& options,
                                                                 FlightRecorder* recorder,
                                                                 Clock& clock) {
  compute::TaskRegistry tasks = compute::TaskRegistry::WithBuiltIns();
  for (const std::string& module : options.modules) RETURN_IF_ERROR(tasks.LoadModule(module));
  return std::unique_ptr<ComputeHost>(
      new ComputeHost(std::move(worker), options, std::move(tasks), recorder, clock));
}

ComputeHost::ComputeHost(std::string worker, const Options& options, compute::TaskRegistry tasks,
                         FlightRecorder* recorder, Clock& clock)
    : worker_(std::move(worker)),
      threads_(options.engine.threads),
      tasks_(std::move(tasks)),
      engine_(options.engine, tasks_, recorder, clock) {}

grpc::ServerBidiReactor<v1::ComputeRequest, v1::ComputeResponse>* ComputeHost::Connect() {
  std::shared_ptr<ComputeStream> stream;
  {
    absl::MutexLock lock(&mutex_);
    if (draining_) return new RefusedCompute(ComputeEnding());
    if (stream_ != nullptr) {
      return new RefusedCompute(rpc::WithReason(
          absl::AlreadyExistsError("another stream has this worker's compute threads"),
          "COMPUTE_BUSY"));
    }
    stream_ = stream = std::make_shared<ComputeStream>(
        worker_, engine_, [this](ComputeStream* over) { OnOver(over); });
  }
  stream->Start(MakeComputeHello(tasks_, threads_));
  return stream.get();  // which keeps itself alive
}

void ComputeHost::Drain() {
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
  }
  engine_.Refuse();
}

void ComputeHost::End() {
  std::shared_ptr<ComputeStream> stream;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    stream = stream_;
  }
  if (stream != nullptr) stream->End(ComputeEnding());
}

void ComputeHost::OnOver(ComputeStream* stream) {
  std::shared_ptr<ComputeStream> over;  // dropped without the lock
  absl::MutexLock lock(&mutex_);
  if (stream_.get() == stream) over = std::move(stream_);
}

}  // namespace center::worker
