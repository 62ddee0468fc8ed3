// PayloadService as the coordinator serves it: the payloads of all workers of a server as one
// stream, and the subscriptions that remember how far a reader is.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "center/v1/payload.grpc.pb.h"
#include "services/common/clock.h"
#include "services/coordinator/relay/blocking_calls.h"
#include "services/coordinator/relay/channel_cache.h"
#include "services/coordinator/relay/stream_plan.h"
#include "services/coordinator/relay/stream_registry.h"
#include "services/coordinator/relay/worker_directory.h"

namespace center::relay {

// Worker name to the offset of the next payload that the reader wants.
using Offsets = std::map<std::string, uint64_t>;

// Where subscriptions are kept. Called from the relay's own thread, one call at a time: a call may
// wait for a disk.
struct SubscriptionStore {
  struct Entry {
    std::string server;
    std::string name;
    Offsets next_offsets;
    absl::Time commit_time;
  };
  // Stores offsets, creating the subscription when it is new; returns all its offsets. None moves
  // back unless `rewind`.
  std::function<absl::StatusOr<Offsets>(absl::string_view server, absl::string_view subscription,
                                        const Offsets& offsets, bool rewind)>
      commit;
  // NotFound when there is no such subscription.
  std::function<absl::StatusOr<Entry>(absl::string_view server, absl::string_view subscription)>
      get;
  // By name, those after `after_name` ("": from the first), at most `limit`.
  std::function<absl::StatusOr<std::vector<Entry>>(absl::string_view server,
                                                   absl::string_view after_name, uint32_t limit)>
      list;
  // NotFound when there is no such subscription.
  std::function<absl::Status(absl::string_view server, absl::string_view subscription)> remove;
};

// The service. Register it with a server, and shut that server down before destroying this.
// Thread-safe. Streams run on gRPC's callback threads and never touch the control thread.
class PayloadRelay final
    : public v1::PayloadService::WithRawCallbackMethod_StreamPayloads<
          v1::PayloadService::WithCallbackMethod_TailPayloads<
              v1::PayloadService::WithCallbackMethod_CommitCursor<
                  v1::PayloadService::WithCallbackMethod_ListSubscriptions<
                      v1::PayloadService::WithCallbackMethod_DeleteSubscription<
                          v1::PayloadService::Service>>>>> {
 public:
  struct Options {
    // More streams (of both kinds) than this are refused with RESOURCE_EXHAUSTED.
    size_t streams_max = 1000;
    // How workers are connected to.
    ChannelCache::Connect connect = rpc::MakeChannel;
  };

  // `on_committed(server)` is called after a subscription of the server was committed or deleted,
  // on the relay's own thread: what the workers must keep may have changed.
  PayloadRelay(WorkerDirectory& directory, SubscriptionStore store,
               std::function<void(absl::string_view server)> on_committed, const Options& options,
               Clock& clock = RealClock());
  PayloadRelay(WorkerDirectory& directory, SubscriptionStore store,
               std::function<void(absl::string_view server)> on_committed)
      : PayloadRelay(directory, std::move(store), std::move(on_committed), Options{}) {}
  ~PayloadRelay() override;

  // Ends all streams with UNAVAILABLE (COORDINATOR_STOPPING) and refuses new ones: call it before
  // the server's Shutdown, which would wait for them.
  void EndStreams();
  // How many streams are open.
  size_t stream_count() const;

  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamPayloads(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<v1::TailPayloadsResponse>* TailPayloads(
      grpc::CallbackServerContext* context, const v1::TailPayloadsRequest* request) override;
  grpc::ServerUnaryReactor* CommitCursor(grpc::CallbackServerContext* context,
                                         const v1::CommitCursorRequest* request,
                                         v1::CommitCursorResponse* response) override;
  grpc::ServerUnaryReactor* ListSubscriptions(grpc::CallbackServerContext* context,
                                              const v1::ListSubscriptionsRequest* request,
                                              v1::ListSubscriptionsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteSubscription(grpc::CallbackServerContext* context,
                                               const v1::DeleteSubscriptionRequest* request,
                                               v1::DeleteSubscriptionResponse* response) override;

 private:
  // Admits the stream, resolves its subscription, and begins it.
  template <typename Reactor>
  void Launch(Reactor* reactor, absl::StatusOr<StreamPlan> plan);
  absl::Status ResolveSubscription(StreamPlan* plan) const;

  absl::Status DoCommit(const v1::CommitCursorRequest& request, v1::CommitCursorResponse* response);
  absl::Status DoList(const v1::ListSubscriptionsRequest& request,
                      v1::ListSubscriptionsResponse* response) const;
  absl::Status DoDelete(const v1::DeleteSubscriptionRequest& request);
  absl::Status CheckWorkers(absl::string_view server, const v1::CommitCursorRequest& request) const;
  // Runs `call` on the relay's own thread and finishes the rpc with its result.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   std::function<absl::Status()> call);

  WorkerDirectory& directory_;
  const SubscriptionStore store_;
  const std::function<void(absl::string_view server)> on_committed_;
  Clock& clock_;
  ChannelCache channels_;
  StreamRegistry streams_;
  BlockingCalls blocking_;  // last: its calls use the members above
};

}  // namespace center::relay
