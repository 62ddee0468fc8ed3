// Tells the coordinator how this client process is: at once, every second, and at the end.
#pragma once

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/client.grpc.pb.h"

namespace center::client {

// One report is under way at a time; while it is, only the newest one waits. A coordinator that is
// away is no reason to stop sending: reports go to the next one. Thread-safe.
class Reporter {
 public:
  // Called on threads of gRPC's.
  struct Listener {
    // The coordinator has taken a report.
    std::function<void(const v1::ReportClientResponse&)> on_answer;
    // The coordinator does not know this process: it must end. Once.
    std::function<void()> on_unknown;
  };
  Reporter(std::shared_ptr<grpc::ChannelInterface> channel, Listener listener);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  void Report(v1::ReportClientRequest report);
  // Waits until the last report has arrived, for at most `timeout`, then ends what is under way.
  void Flush(absl::Duration timeout);

 private:
  struct Call;
  // Takes what waits into a new call, or says that nothing is under way.
  Call* TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(Call* call);
  void OnAnswer(const absl::Status& status);

  const std::unique_ptr<v1::ClientRegistryService::Stub> stub_;
  const Listener listener_;
  absl::Mutex mutex_;
  std::unique_ptr<Call> call_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;     // a call is under way, or being answered
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // next_ is to be sent
  v1::ReportClientRequest next_ ABSL_GUARDED_BY(mutex_);
  bool unknown_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace center::client
