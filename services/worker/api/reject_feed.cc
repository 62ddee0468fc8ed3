#include "services/worker/api/reject_feed.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/worker/api/worker_messages.h"

namespace center::worker {
namespace {

constexpr auto kWindow = std::chrono::seconds(1);

}  // namespace

absl::string_view RejectCauseName(ingest::RejectCause cause) {
  switch (cause) {
    case ingest::RejectCause::kConnectionLimit:
      return "connection-limit";
    case ingest::RejectCause::kPeerConnectionLimit:
      return "peer-connection-limit";
    case ingest::RejectCause::kPayloadTooLarge:
      return "payload-too-large";
    case ingest::RejectCause::kMalformedFrame:
      return "malformed-frame";
    case ingest::RejectCause::kFrameTimeout:
      return "frame-timeout";
    case ingest::RejectCause::kIdleTimeout:
      return "idle-timeout";
    case ingest::RejectCause::kBufferLimit:
      return "buffer-limit";
  }
  return "unknown";
}

RejectFeed::RejectFeed(std::string worker, Clock& clock, std::function<void(v1::Event)> send)
    : worker_(std::move(worker)),
      clock_(clock),
      send_(std::move(send)),
      window_start_(clock.Steady()) {}

void RejectFeed::OnReject(const ingest::RejectedConnection& rejected) {
  ++counts_[rejected.cause];
  OpenWindow();
  if (sent_ >= kEventsPerSecondMax) {
    ++suppressed_;
    return;
  }
  ++sent_;
  v1::Event event = MakeEvent(v1::EVENT_TYPE_CONNECTION_REJECTED, worker_,
                              absl::StrCat(rejected.peer, ": ", rejected.reason), clock_);
  auto& details = *event.mutable_details();
  details["peer"] = rejected.peer;
  details["cause"] = std::string(RejectCauseName(rejected.cause));
  details["stream_position"] = absl::StrCat(rejected.stream_position);
  send_(std::move(event));
}

void RejectFeed::Tick() { OpenWindow(); }

void RejectFeed::OpenWindow() {
  const SteadyTime now = clock_.Steady();
  if (now - window_start_ < kWindow) return;
  window_start_ = now;
  sent_ = 0;
  if (suppressed_ == 0) return;
  v1::Event event = MakeEvent(
      v1::EVENT_TYPE_CONNECTION_REJECTED, worker_,
      absl::StrCat(suppressed_, " more connections were closed; the worker's log names them"),
      clock_);
  (*event.mutable_details())["suppressed"] = absl::StrCat(suppressed_);
  suppressed_ = 0;
  ++sent_;
  send_(std::move(event));
}

}  // namespace center::worker
