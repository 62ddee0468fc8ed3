#include "cli/subscriber.h"

#include <chrono>

#include "absl/time/clock.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr auto kCountPollInterval = std::chrono::milliseconds(2);

}  // namespace

v1::StreamPayloadsRequest FollowFrom(const std::string& server, const v1::Cursor& from) {
  v1::StreamPayloadsRequest request;
  request.set_server(server);
  *request.mutable_start()->mutable_cursor() = from;
  request.set_follow(true);
  return request;
}

absl::StatusOr<v1::Cursor> JournalEnds(Context& context, const std::string& server) {
  ASSIGN_OR_RETURN(const auto channel, context.Channel());
  v1::StreamPayloadsRequest request;
  request.set_server(server);
  request.mutable_start()->set_place(v1::StartPosition::PLACE_LATEST);
  PayloadStream stream(channel, request);
  v1::Cursor ends;
  StreamMessage message;
  while (stream.Read(&message)) {
    if (!message.progress.has_value()) continue;
    (*ends.mutable_next_offsets())[message.progress->worker()] = message.progress->end_offset();
  }
  RETURN_IF_ERROR(FromRpc(stream.Finish(), context.address()));
  return ends;
}

uint64_t PayloadsBetween(const v1::Cursor& before, const v1::Cursor& after) {
  uint64_t sum = 0;
  for (const auto& [worker, end] : after.next_offsets()) {
    const auto found = before.next_offsets().find(worker);
    sum += end - (found == before.next_offsets().end() ? 0 : found->second);
  }
  return sum;
}

Subscriber::Subscriber(std::unique_ptr<PayloadSource> source, Visit visit)
    : visit_(std::move(visit)), stream_(std::move(source)), thread_([this] { Run(); }) {}

void Subscriber::Run() {
  StreamMessage message;
  StreamCounts counts;
  for (;;) {
    if (visit_ != nullptr) {
      if (!stream_.Read(&message)) break;
      for (const BatchView& batch : message.batches) {
        batch.ForEach([&](uint32_t, absl::string_view payload) { visit_(payload); });
        counts.payloads += batch.count();
        counts.bytes += batch.data().size();
      }
    } else if (!stream_.ReadCounts(&counts, &message)) {
      break;
    }
    if (message.gap.has_value()) {
      const uint64_t gone = message.gap->to_offset() - message.gap->from_offset();
      if (message.gap->reason() == v1::Gap::REASON_RETENTION) deleted_ += gone;
      missing_ += gone;
    }
    if (counts.payloads != payloads_.load(std::memory_order_relaxed)) {
      last_receive_ = std::chrono::steady_clock::now().time_since_epoch().count();
    }
    bytes_.store(counts.bytes, std::memory_order_relaxed);
    payloads_.store(counts.payloads, std::memory_order_release);
  }
  status_ = stream_.Finish();
  ended_ = true;
}

absl::Status Subscriber::Stop() {
  if (!thread_.joinable()) return status_;
  const bool by_itself = ended_;
  stream_.Cancel();
  thread_.join();
  if (!by_itself) status_ = absl::OkStatus();
  return status_;
}

bool WaitForPayloads(const Subscriber& subscriber, uint64_t payloads, absl::Duration timeout,
                     const std::atomic<bool>& give_up) {
  const absl::Time deadline = absl::Now() + timeout;  // which may be infinite
  while (subscriber.payloads() + subscriber.missing() < payloads) {
    if (subscriber.ended() || give_up.load()) return false;
    if (absl::Now() >= deadline) return false;
    std::this_thread::sleep_for(kCountPollInterval);
  }
  return true;
}

}  // namespace center::cli
