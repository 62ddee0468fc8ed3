#include "cli/direct_payloads.h"

#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "center/v1/payload.grpc.pb.h"
#include "cli/worker_finder.h"
#include "services/common/rpc/callback_threads.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/coordinator/relay/channel_cache.h"
#include "services/coordinator/relay/merged_stream.h"
#include "services/coordinator/relay/stream_plan.h"

namespace center::cli {
namespace {

// How often the coordinator is asked where the workers are. A worker that comes back where it was
// is found without.
constexpr absl::Duration kFindInterval = absl::Milliseconds(500);
constexpr std::chrono::seconds kSubscriptionTimeout{5};

// What gRPC's threads may still use when the reader is gone already.
struct Shared {
  explicit Shared(relay::ChannelCache::Connect connect) : channels(std::move(connect)) {}

  relay::WorkerDirectory directory;
  relay::ChannelCache channels;
  absl::Mutex mutex;
  bool turn ABSL_GUARDED_BY(mutex) = false;  // to act for the subscriber is ours
  absl::Mutex tell_mutex;                    // held while it runs
  std::function<void(const std::string&)> tell ABSL_GUARDED_BY(tell_mutex);  // none: at the end

  void TellReach(const relay::WorkerEndpoint& worker, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(tell_mutex) {
    absl::MutexLock lock(&tell_mutex);
    if (!tell) return;
    if (status.ok()) {
      tell(absl::StrCat("centerctl: worker ", worker.worker,
                        " is read again, from where it stopped"));
    } else {
      tell(absl::StrCat("centerctl: worker ", worker.worker, " cannot be reached at ",
                        worker.address, " (", status.message(),
                        "); the others are read on, and it is called again"));
    }
  }

  void GiveTurn() ABSL_LOCKS_EXCLUDED(mutex) {
    absl::MutexLock lock(&mutex);
    turn = true;
  }
  void TakeTurn() ABSL_LOCKS_EXCLUDED(mutex) {
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&turn));
    turn = false;
  }
};

class Direct final : public PayloadSource {
 public:
  Direct(const DirectOptions& options, const v1::StreamPayloadsRequest& request)
      : options_(options), shared_(std::make_shared<Shared>(options.connect)) {
    rpc::PrepareCallbackThreads();
    stream_ = std::make_shared<relay::MergedStream>(
        shared_->directory, shared_->channels, [shared = shared_] { shared->GiveTurn(); },
        relay::MergedStream::Archives::kRelayed);
    {
      absl::MutexLock lock(&shared_->tell_mutex);
      shared_->tell = options.tell;
    }
    stream_->SetOnReach([shared = shared_](const auto& worker, const auto& why) {
      shared->TellReach(worker, why);
    });
    thread_ = std::thread([this, request] { Run(request); });
  }
  ~Direct() override {
    Cancel();
    thread_.join();
    absl::MutexLock lock(&shared_->tell_mutex);
    shared_->tell = nullptr;
  }

  bool Next(grpc::ByteBuffer* message) override {
    for (;;) {
      shared_->TakeTurn();
      relay::MergedStream::Next next = stream_->Poll();
      if (next.what == relay::MergedStream::Next::kWait) continue;
      shared_->GiveTurn();
      if (next.what == relay::MergedStream::Next::kEnd) return false;
      message->Swap(&next.message);
      return true;
    }
  }

  absl::Status Finish() override {
    // After an end Poll says it again.
    shared_->TakeTurn();
    const relay::MergedStream::Next next = stream_->Poll();
    if (next.what == relay::MergedStream::Next::kEnd) {
      shared_->GiveTurn();
      return next.status;
    }
    // The reader has had enough before the end.
    stream_->End(absl::CancelledError("cancelled"));
    return absl::CancelledError("cancelled");
  }

  void Cancel() override {
    stream_->End(absl::CancelledError("cancelled"));
    absl::MutexLock lock(&mutex_);
    if (!stop_.HasBeenNotified()) stop_.Notify();
    if (finder_ != nullptr) finder_->Cancel();
  }

 private:
  // Starts the stream, then keeps the directory as it should be.
  void Run(const v1::StreamPayloadsRequest& request) {
    if (absl::Status status = Start(request); !status.ok()) {
      stream_->End(status);
      shared_->GiveTurn();
      return;
    }
    shared_->GiveTurn();
    while (request.follow() && !stop_.WaitForNotificationWithTimeout(kFindInterval)) {
      // A coordinator that is away changes nothing: what is known is read on.
      (void)finder_->Find();
    }
  }

  absl::Status Start(const v1::StreamPayloadsRequest& request) {
    ASSIGN_OR_RETURN(relay::StreamPlan plan, relay::MakePlan(request, absl::Now()));
    if (!plan.subscription.empty()) RETURN_IF_ERROR(UseSubscription(&plan));
    WorkerFinder::Options options{.coordinator = options_.coordinator,
                                  .address = options_.address,
                                  .server = plan.server,
                                  .wants_the_past = relay::WantsThePast(plan)};
    for (const auto& [worker, offset] : plan.request.start().cursor().next_offsets()) {
      options.known.push_back(worker);
    }
    {
      absl::MutexLock lock(&mutex_);
      finder_ = std::make_unique<WorkerFinder>(std::move(options), &shared_->directory);
      if (stop_.HasBeenNotified()) finder_->Cancel();
    }
    RETURN_IF_ERROR(finder_->Find());
    stream_->Start(std::move(plan));
    return absl::OkStatus();
  }

  // One that has committed nothing yet starts at the earliest, as when it is relayed.
  absl::Status UseSubscription(relay::StreamPlan* plan) const {
    const auto stub = v1::PayloadService::NewStub(options_.coordinator);
    v1::ListSubscriptionsRequest request;
    request.set_server(plan->server);
    request.set_page_size(1000);
    std::map<std::string, uint64_t> offsets;
    do {
      grpc::ClientContext call;
      call.set_deadline(std::chrono::system_clock::now() + kSubscriptionTimeout);
      v1::ListSubscriptionsResponse page;
      const grpc::Status status = stub->ListSubscriptions(&call, request, &page);
      if (!status.ok()) return rpc::FromGrpc(status);
      for (const v1::Subscription& subscription : page.subscriptions()) {
        if (subscription.name() != plan->subscription) continue;
        const auto& stored = subscription.cursor().next_offsets();
        offsets.insert(stored.begin(), stored.end());
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    relay::UseCursor(offsets, plan);
    return absl::OkStatus();
  }

  const DirectOptions options_;
  const std::shared_ptr<Shared> shared_;
  std::shared_ptr<relay::MergedStream> stream_;  // constant
  absl::Notification stop_;
  absl::Mutex mutex_;
  std::unique_ptr<WorkerFinder> finder_;  // set once, under the mutex; the thread's otherwise
  std::thread thread_;
};

}  // namespace

std::unique_ptr<PayloadSource> DirectPayloads(const DirectOptions& options,
                                              const v1::StreamPayloadsRequest& request) {
  return std::make_unique<Direct>(options, request);
}

}  // namespace center::cli
