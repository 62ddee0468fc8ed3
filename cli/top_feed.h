// Asks the coordinator for what `top` shows, and never makes anybody wait.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/client.grpc.pb.h"
#include "center/v1/event.grpc.pb.h"
#include "center/v1/job.grpc.pb.h"
#include "center/v1/payload.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/context.h"
#include "cli/top_data.h"
#include "services/common/fd.h"

namespace center::cli {

// Subscriptions are asked for of so many servers at most: each is a question of its own.
inline constexpr size_t kTopSubscriptionServersMax = 64;
// Jobs shown at most.
inline constexpr uint32_t kTopJobsMax = 50;
// How far back events are shown at the start.
inline constexpr absl::Duration kTopEventsAge = absl::Hours(1);

// All questions of a round are under way at once, so that a slow line costs one round trip, not
// several; events come as a stream. Main's thread calls; answers are collected by a thread of our
// own, so that none of gRPC's is still busy with them when the process ends. Destroyed: everything
// is cancelled, and has ended when the destructor returns.
class TopFeed {
 public:
  struct Options {
    bool follow_events = true;  // false: those that are there, and then events_ended
  };
  // What has come since the last Take.
  struct News {
    // A round is complete.
    absl::optional<absl::StatusOr<TopAnswer>> answer;
    std::vector<v1::Event> events;
    // The stream of events has ended, well or not; StartEvents opens it again.
    bool events_ended = false;
  };

  static absl::StatusOr<std::unique_ptr<TopFeed>> Create(Context& context, Options options);
  ~TopFeed();
  TopFeed(const TopFeed&) = delete;
  TopFeed& operator=(const TopFeed&) = delete;

  // Asks everything once. REQUIRES: not asking().
  void StartRound();
  // A round is under way.
  bool asking() const;
  // REQUIRES: it is not open.
  void StartEvents();
  // Readable when Take has something.
  int fd() const { return wake_.get(); }
  News Take();

 private:
  struct EventStream;
  struct Round;
  // What is done when an operation has ended; ok as gRPC's completion queues have it.
  using Tag = std::function<void(bool ok)>;

  TopFeed(Context& context, Options options, std::shared_ptr<grpc::Channel> channel, ScopedFd wake);
  void RunQueue();
  // Adds one question to the round: `call` starts it, `on_answer` moves what it brought into the
  // round's answer and is called on the queue's thread.
  template <typename Request, typename Response>
  void Ask(const std::shared_ptr<Round>& round, const Request& request,
           const std::function<std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>(
               grpc::ClientContext*, const Request&)>& call,
           std::function<void(Response&)> on_answer);
  void AskServers(const std::shared_ptr<Round>& round, const std::string& page_token);
  void AskClients(const std::shared_ptr<Round>& round, const std::string& page_token);
  void AskJobs(const std::shared_ptr<Round>& round);
  void AskSubscriptions(const std::shared_ptr<Round>& round, const std::string& server);
  void Finish(const std::shared_ptr<Round>& round, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnEvent(const std::shared_ptr<EventStream>& stream, bool ok);
  void Wake() const;

  Context& context_;
  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::ServerService::Stub> servers_;
  const std::unique_ptr<v1::ClientService::Stub> clients_;
  const std::unique_ptr<v1::JobService::Stub> jobs_;
  const std::unique_ptr<v1::PayloadService::Stub> payloads_;
  const std::unique_ptr<v1::EventService::Stub> events_;
  const ScopedFd wake_;  // an eventfd

  mutable absl::Mutex mutex_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Round> round_ ABSL_GUARDED_BY(mutex_);
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;  // calls that have not ended
  News news_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<EventStream> stream_ ABSL_GUARDED_BY(mutex_);
  // Of the last complete round: whose subscriptions are asked for in the next.
  std::vector<std::string> server_names_ ABSL_GUARDED_BY(mutex_);
  v1::WatchEventsRequest watch_ ABSL_GUARDED_BY(mutex_);

  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace center::cli
