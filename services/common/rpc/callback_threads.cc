#include "services/common/rpc/callback_threads.h"

#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"

namespace center::rpc {
namespace {

// gRPC makes half as many threads as there are cores, but two at least.
constexpr unsigned kCoresForTwo = 4;

// One channel, never destroyed and always with a call.
class Anchor {
 public:
  Anchor() {
    if (std::thread::hardware_concurrency() < kCoresForTwo) {
      Start(&parked_, absl::ZeroDuration(), [this] {
        has_parked_.Notify();
        absl::SleepFor(absl::InfiniteDuration());
      });
      has_parked_.WaitForNotification();
    }
    Beat();
  }

 private:
  struct Call {
    grpc::ClientContext context;
    grpc::Slice nothing;
    grpc::ByteBuffer request{&nothing, 1};
    grpc::ByteBuffer response;
  };

  void Beat() {
    Start(&beat_, kCallbackBeat, [this] { Beat(); });
  }

  // Nobody listens there: the call is over when its time is.
  void Start(std::unique_ptr<Call>* call, absl::Duration time, std::function<void()> then) {
    *call = std::make_unique<Call>();
    (*call)->context.set_wait_for_ready(true);
    (*call)->context.set_deadline(absl::ToChronoTime(absl::Now() + time));
    stub_.UnaryCall(&(*call)->context, "/", {}, &(*call)->request, &(*call)->response,
                    [then = std::move(then)](const grpc::Status&) { then(); });
  }

  std::shared_ptr<grpc::Channel> channel_ =
      grpc::CreateChannel("unix:/dev/null", grpc::InsecureChannelCredentials());
  grpc::GenericStub stub_{channel_};
  absl::Notification has_parked_;
  std::unique_ptr<Call> parked_;
  std::unique_ptr<Call> beat_;
};

}  // namespace

void PrepareCallbackThreads() {
  // volatile: a pointer that nobody reads is not stored at all, and what it points to would be a
  // leak.
  static Anchor* const volatile anchor = new Anchor;
  (void)anchor;
}

}  // namespace center::rpc
