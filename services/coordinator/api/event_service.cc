#include "services/coordinator/api/event_service.h"

#include <deque>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"

namespace center::coordinator {
namespace {

// Events that a stream holds while they wait for its reader.
constexpr uint32_t kPageEvents = 64;

absl::Status StreamsStopping() {
  return rpc::WithReason(absl::UnavailableError("the coordinator is stopping"),
                         "COORDINATOR_STOPPING");
}

}  // namespace

// One follower's stream. As with a worker's line, gRPC's threads only post, and the control thread
// does everything else.
class EventServiceImpl::Stream final : public grpc::ServerWriteReactor<v1::WatchEventsResponse>,
                                       public EventLog::Follower,
                                       public std::enable_shared_from_this<Stream> {
 public:
  Stream(EventServiceImpl& service, const v1::WatchEventsRequest& request)
      : service_(service), request_(request) {}

  // gRPC's threads.
  void Open() {
    self_ = shared_from_this();
    service_.post_([self = shared_from_this()] { self->Begin(); });
  }
  void OnWriteDone(bool ok) override {
    service_.post_([self = shared_from_this(), ok] {
      self->writing_ = false;
      if (ok) self->Pump();  // otherwise OnCancel follows
    });
  }
  void OnCancel() override {
    service_.post_(
        [self = shared_from_this()] { self->End(absl::CancelledError("the reader left")); });
  }
  void OnDone() override { self_.reset(); }

  // Control thread.
  void OnNewEvents() override { Pump(); }
  void End(const absl::Status& status) {
    if (ended_) return;
    ended_ = true;
    const std::shared_ptr<Stream> keep = shared_from_this();
    service_.events_.RemoveFollower(this);
    service_.streams_.erase(keep);
    Finish(rpc::ToGrpc(status));
  }

 private:
  void Begin() {
    if (ended_) return;
    if (service_.stopping_) return End(StreamsStopping());
    if (request_.since_id() != 0 && request_.has_since_time()) {
      return End(rpc::InvalidFields({{"since_time", "cannot be combined with since_id"}}));
    }
    if (service_.streams_.size() >= kEventStreamsMax) {
      service_.events_.LimitReached(
          "STREAM_LIMIT", "coordinator",
          absl::StrCat("a reader of events was turned away: ", kEventStreamsMax, " have streams"));
      return End(rpc::WithReason(absl::ResourceExhaustedError("too many event streams are open"),
                                 "STREAM_LIMIT"));
    }
    query_ = {.since_id = request_.since_id(), .server = request_.server(), .limit = kPageEvents};
    if (request_.has_since_time()) {
      query_.since_time = absl::FromUnixSeconds(request_.since_time().seconds()) +
                          absl::Nanoseconds(request_.since_time().nanos());
    }
    service_.streams_.insert(shared_from_this());
    if (request_.follow()) service_.events_.AddFollower(this);
    Pump();
  }

  void Pump() {
    if (writing_ || ended_) return;
    if (page_.empty()) {
      auto page = service_.events_.Read(query_);
      if (!page.ok()) return End(page.status());
      history_gone_ = history_gone_ || page->history_gone;
      query_.since_id = std::max(query_.since_id, page->seen_id);
      page_.assign(page->events.begin(), page->events.end());
    }
    if (page_.empty()) {
      if (!request_.follow()) End(absl::OkStatus());
      return;
    }
    response_.Clear();
    *response_.mutable_event() = std::move(page_.front());
    page_.pop_front();
    response_.set_history_gone(std::exchange(history_gone_, false));
    writing_ = true;
    StartWrite(&response_);
  }

  EventServiceImpl& service_;
  std::shared_ptr<Stream> self_;  // until OnDone
  const v1::WatchEventsRequest request_;

  // Control thread.
  state::EventQuery query_;
  std::deque<v1::Event> page_;
  bool history_gone_ = false;  // to be said with the next event
  v1::WatchEventsResponse response_;
  bool writing_ = false;
  bool ended_ = false;
};

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventServiceImpl::WatchEvents(
    grpc::CallbackServerContext* /*context*/, const v1::WatchEventsRequest* request) {
  auto stream = std::make_shared<Stream>(*this, *request);
  stream->Open();
  return stream.get();
}

void EventServiceImpl::EndStreams() {
  stopping_ = true;
  const auto streams = streams_;
  for (const std::shared_ptr<Stream>& stream : streams) stream->End(StreamsStopping());
}

}  // namespace center::coordinator
