// The streams of a server's workers as one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "grpcpp/alarm.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/coordinator/relay/channel_cache.h"
#include "services/coordinator/relay/stream_plan.h"
#include "services/coordinator/relay/upstream.h"
#include "services/coordinator/relay/worker_directory.h"

namespace center::relay {

// Reads from every worker of a server for one subscriber, who takes message after message with
// Poll. The messages are the workers' own bytes.
//
// Backpressure: at most one message of each worker is held here, and its next read starts when the
// subscriber takes it. Workers with a message take turns.
//
// A stream that follows outlives its workers: each lane knows the offset after the last message it
// received, and calls again from there when the worker is back, or after a pause when only the call
// broke. Workers that are added to the server join. Archived workers (see worker_directory.h) are
// read to their end, and followed when they are back.
//
// Thread-safe, except that one thread at a time is the subscriber. Poll's kWait hands the turn to
// this object, which gives it back by one call of `wake`, on any thread, with no lock held; so
// exactly one party may act for the subscriber at any time, and whatever `wake` refers to must stay
// until then. Nothing calls `wake` otherwise.
class MergedStream final : public Upstream::Listener,
                           public std::enable_shared_from_this<MergedStream> {
 public:
  struct Next {
    enum What {
      kMessage,
      kWait,  // `wake` will be called
      kEnd,   // nothing follows; `status` says why
    };
    What what = kWait;
    grpc::ByteBuffer message;
    absl::Status status;
  };

  // Whom archived workers are read from: a process at their address that has opened their journal,
  // or a coordinator there, which sees to that.
  enum class Archives { kOpened, kRelayed };

  MergedStream(WorkerDirectory& directory, ChannelCache& channels, std::function<void()> wake,
               Archives archives = Archives::kOpened);
  ~MergedStream() override;

  // Told when calls of a worker, which is up by the directory's word, have failed for
  // kTellTroubleAfter, with why; and, with OK, when a message of it comes again. On any thread,
  // with no lock held.
  using OnReach = std::function<void(const WorkerEndpoint&, const absl::Status&)>;
  // A worker that restarts is no trouble: the directory says soon that it is down.
  static constexpr absl::Duration kTellTroubleAfter = absl::Seconds(3);
  // Before Start.
  void SetOnReach(OnReach on_reach);

  // Calls the workers. Once, before the first Poll; what goes wrong is told by Poll.
  // REQUIRES: no subscription is left to resolve in the plan.
  void Start(StreamPlan plan);
  Next Poll();
  // Drops what is held and lets go of all workers; Poll then says kEnd with `status`. The first end
  // counts.
  void End(const absl::Status& status);

 private:
  // One worker's part of the stream.
  struct Lane {
    WorkerEndpoint endpoint;             // as the directory knows it
    WorkerEndpoint called;               // as it was called last
    bool listed = true;                  // the directory names it
    bool wanted = true;                  // a call is due as soon as it is possible
    bool ended = false;                  // the worker has sent everything and said OK
    std::shared_ptr<Upstream> upstream;  // the call that is under way
    absl::optional<grpc::ByteBuffer> held;
    absl::optional<uint64_t> next_offset;  // after the last received message
    uint32_t failures = 0;                 // since the last message
    absl::Time failing_since;              // the first of them
    bool trouble_told = false;             // by OnReach
    std::shared_ptr<grpc::Alarm> pause;    // until the next call may be made
    bool awaited = false;                  // archived, and its address is still to come
  };

  struct PauseAction {
    size_t lane;
    std::shared_ptr<grpc::Alarm> alarm;
    absl::Duration length;
  };

  // What to do when the lock is released: gRPC may call back before such a call returns.
  struct Actions {
    std::vector<std::shared_ptr<Upstream>> start;
    std::vector<std::shared_ptr<Upstream>> close;
    std::vector<PauseAction> pause;
    std::shared_ptr<Upstream> read;
    absl::optional<std::pair<WorkerEndpoint, absl::Status>> reach;
    bool wake = false;
    bool want_archived = false;
  };

  void OnUpstreamMessage(const Upstream* from, size_t lane, grpc::ByteBuffer* message) override;
  void OnUpstreamDone(const Upstream* from, size_t lane, const absl::Status& status) override;
  void OnDirectoryChanged();
  void OnPauseOver(size_t lane, const grpc::Alarm* pause);

  absl::Status Open(Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refresh(const WorkerDirectory::Snapshot& snapshot, Actions* actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RefreshLane(const WorkerEndpoint& endpoint, Actions* actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AwaitArchived(size_t index, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CallIfDue(size_t index, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterFailure(size_t index, const absl::Status& status, Actions* actions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndIfOver(Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndWith(const absl::Status& status, Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake(Actions* actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Perform(const Actions& actions) ABSL_LOCKS_EXCLUDED(mutex_);
  void Pause(const PauseAction& action) ABSL_LOCKS_EXCLUDED(mutex_);

  WorkerDirectory& directory_;
  ChannelCache& channels_;
  const std::function<void()> wake_;
  const Archives archives_;
  OnReach on_reach_;  // constant from Start on

  StreamPlan plan_;  // set by Start, before anything that reads it exists; constant then

  absl::Mutex mutex_;
  std::vector<Lane> lanes_ ABSL_GUARDED_BY(mutex_);  // only grows: an index stays valid
  size_t turn_ ABSL_GUARDED_BY(mutex_) = 0;          // the lane that Poll looks at first
  bool running_ ABSL_GUARDED_BY(mutex_) = false;     // the server, as the directory knows it
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // `wake` is owed
  absl::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  WorkerDirectory::Watch watch_ ABSL_GUARDED_BY(mutex_);
};

// Of a worker that cannot be read now: Unavailable, with when to call again.
absl::Status WorkerUnavailable(absl::string_view worker, absl::string_view why);

}  // namespace center::relay
