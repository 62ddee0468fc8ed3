#include "cli/drill_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

v1::StreamPayloadsRequest RequestFor(const DrillFeed& feed, bool follow) {
  v1::StreamPayloadsRequest request;
  request.set_server(feed.server);
  if (feed.begins.next_offsets().empty()) {
    request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  } else {
    *request.mutable_start()->mutable_cursor() = feed.begins;
  }
  // What is somebody else's need not leave its worker.
  if (!feed.run.empty()) request.mutable_filter()->set_contains(DrillPayloadPrefix(feed.run));
  request.set_follow(follow);
  return request;
}

absl::StatusOr<DrillStored> ReadFrom(Context& context, const DrillFeed& feed, Route route) {
  DrillStored stored{.tally = DrillTally(feed.run), .gaps = {}};
  Follower reader(
      context, RequestFor(feed, /*follow=*/false),
      [&stored](const StreamMessage& message) {
        for (const BatchView& batch : message.batches) {
          batch.ForEach([&](uint32_t, absl::string_view payload) {
            stored.tally.Add(batch.header().worker, payload);
          });
        }
        if (message.gap.has_value()) {
          const v1::Gap& gap = *message.gap;
          stored.gaps[gap.worker()] = absl::StrCat(
              "its payloads ", gap.from_offset(), " to ", gap.to_offset() - 1, " are gone (",
              EnumFlag(v1::Gap::Reason_Name(gap.reason()), "REASON_"), ") ", gap.detail());
        }
        return true;
      },
      route);
  RETURN_IF_ERROR(reader.Run());
  return stored;
}

}  // namespace

DrillSubscriber::DrillSubscriber(std::unique_ptr<Context> context, DrillFeed feed)
    : context_(std::move(context)), feed_(std::move(feed)), seen_(feed_.run) {
  Begin(Route::kRelayed);
}

DrillSubscriber::~DrillSubscriber() { End(); }

void DrillSubscriber::Begin(Route route) {
  follower_ = std::make_unique<Follower>(
      *context_, RequestFor(feed_, /*follow=*/true),
      [this](const StreamMessage& message) { return Take(message); }, route);
  thread_ = std::thread([this] {
    const absl::Status status = follower_->Run();
    absl::MutexLock lock(&mutex_);
    status_.Update(status);
  });
}

void DrillSubscriber::End() {
  follower_->Interrupt();
  thread_.join();
}

void DrillSubscriber::Resume(Route route) {
  End();
  if (!follower_->cursor().empty()) feed_.begins = follower_->cursor().cursor();
  Begin(route);
}

bool DrillSubscriber::Take(const StreamMessage& message) {
  absl::MutexLock lock(&mutex_);
  CursorTracker& cursor = follower_->cursor();
  for (const BatchView& batch : message.batches) {
    const BatchHeader& header = batch.header();
    // After a reconnect a batch may begin with what we had.
    const uint64_t next = cursor.Next(header.worker);
    batch.ForEach([&](uint32_t index, absl::string_view payload) {
      mutex_.AssertHeld();  // the analysis of locks takes this for a function of its own
      if (header.first_offset + index >= next) seen_.Add(header.worker, payload);
    });
    cursor.Advance(header.worker, header.first_offset + batch.count());
  }
  cursor.Pass(message);
  return true;
}

void DrillSubscriber::Look(const std::function<void(const DrillTally&)>& visit) const {
  absl::MutexLock lock(&mutex_);
  visit(seen_);
}

absl::Status DrillSubscriber::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

absl::StatusOr<DrillStored> ReadStored(Context& context, const DrillFeed& feed, Route route) {
  absl::StatusOr<DrillStored> stored = ReadFrom(context, feed, route);
  if (!absl::IsInvalidArgument(stored.status()) || feed.begins.next_offsets().empty()) {
    return stored;
  }
  // A journal is shorter than it was when the drill began. What it has all the same tells what is
  // lost.
  DrillFeed all = feed;
  all.begins.Clear();
  return ReadFrom(context, all, route);
}

}  // namespace center::cli
