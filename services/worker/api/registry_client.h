// The worker's line to its coordinator: RegistryService.Register, kept open.
//
//   Start ─▶ CALLING ── Welcome ──▶ UP ── broken ──▶ CALLING … (at once when it was up for a while,
//                │ broken           │                            else with the next heartbeat)
//                ▼                  ▼ WORKER_UNKNOWN
//             next heartbeat     REFUSED: on_unknown, no more calls
//
// The worker goes on whatever happens here. While nobody listens at the coordinator's address, gRPC
// itself tries again with a backoff of 50 to 250 ms on a unix socket, 2 s elsewhere
// (rpc::MakeChannel, wait_for_ready). Only the
// newest heartbeat waits to be sent; events wait in a bounded queue, over a lost line as well. An
// event that went out just before the other side died is lost: nobody acknowledges them.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "center/v1/worker.grpc.pb.h"
#include "services/common/clock.h"

namespace center::worker {

// Thread-safe.
class RegistryClient {
 public:
  // Events that wait; when there are more, the oldest are forgotten.
  static constexpr size_t kEventsMax = 256;

  // Called on gRPC's threads; must not block, and not call Stop.
  struct Handlers {
    std::function<void(const v1::Welcome&)> on_welcome;  // may be empty
    std::function<void(bool now)> on_drain;
    std::function<void(absl::optional<uint64_t> offset)> on_committed;
    // The coordinator does not want this process: it must end.
    std::function<void(const absl::Status&)> on_unknown;
  };

  RegistryClient(std::shared_ptr<grpc::ChannelInterface> channel, Handlers handlers, Clock& clock);
  // Stops.
  ~RegistryClient();
  RegistryClient(const RegistryClient&) = delete;
  RegistryClient& operator=(const RegistryClient&) = delete;

  // Makes the first call. Once. Before that, events and heartbeats are only kept.
  void Start(v1::Hello hello);
  // Sends it, or keeps it until there is a line; calls again when there is none.
  void SendHeartbeat(v1::Heartbeat heartbeat);
  void SendEvent(v1::Event event);
  // Since when there is no line (from Start on); SteadyTime::max() when there is one.
  SteadyTime alone_since();
  // Ends the line; waits until no handler runs any more and no call holds the channel.
  void Stop();

 private:
  class Call;

  // Begins a call unless there is one, or there must be none.
  void EnsureCall();
  // Sends what waits, if the line is free.
  void SendNext();
  // The next message, hello first. False: nothing waits.
  bool TakeNext(v1::RegisterRequest* request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnMessage(const v1::RegisterResponse& response);
  void OnBroken(Call* call);
  void OnSent();
  // The line broke before the message went out: an event waits for the next line.
  void OnNotSent(v1::RegisterRequest* request);
  void OnEnded(std::shared_ptr<Call> call, const absl::Status& status);

  const Handlers handlers_;
  Clock& clock_;
  const std::unique_ptr<v1::RegistryService::Stub> stub_;

  absl::Mutex mutex_;
  absl::optional<v1::Hello> hello_ ABSL_GUARDED_BY(mutex_);  // set by Start
  std::shared_ptr<Call> call_ ABSL_GUARDED_BY(mutex_);
  bool hello_sent_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;   // a write is outstanding
  bool starting_ ABSL_GUARDED_BY(mutex_) = false;  // a thread is about to start that write
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;    // the call takes no more writes
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool reported_ ABSL_GUARDED_BY(mutex_) =
      false;  // that the line is down: once, not at each attempt
  SteadyTime alone_since_ ABSL_GUARDED_BY(mutex_) = SteadyTime::max();
  SteadyTime up_since_ ABSL_GUARDED_BY(mutex_) = SteadyTime::max();
  absl::optional<v1::Heartbeat> heartbeat_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Event> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t events_lost_ ABSL_GUARDED_BY(mutex_) = 0;
  int ending_ ABSL_GUARDED_BY(mutex_) = 0;  // threads in OnEnded
};

}  // namespace center::worker
