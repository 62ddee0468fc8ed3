#include "cli/drill_reader.h"

#include <utility>

#include "services/common/status_macros.h"

namespace center::cli {
namespace {

v1::StreamPayloadsRequest FromEarliest(const std::string& server, bool follow) {
  v1::StreamPayloadsRequest request;
  request.set_server(server);
  request.mutable_start()->set_place(v1::StartPosition::PLACE_EARLIEST);
  request.set_follow(follow);
  return request;
}

}  // namespace

DrillSubscriber::DrillSubscriber(std::unique_ptr<Context> context, const std::string& server)
    : context_(std::move(context)),
      follower_(*context_, FromEarliest(server, /*follow=*/true),
                [this](const StreamMessage& message) { return Take(message); }),
      thread_([this] {
        const absl::Status status = follower_.Run();
        absl::MutexLock lock(&mutex_);
        status_ = status;
      }) {}

DrillSubscriber::~DrillSubscriber() {
  follower_.Interrupt();
  thread_.join();
}

bool DrillSubscriber::Take(const StreamMessage& message) {
  absl::MutexLock lock(&mutex_);
  CursorTracker& cursor = follower_.cursor();
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
  payloads_ = seen_.payloads();
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

absl::StatusOr<DrillTally> ReadStored(Context& context, const std::string& server) {
  DrillTally stored;
  Follower reader(context, FromEarliest(server, /*follow=*/false),
                  [&stored](const StreamMessage& message) {
                    for (const BatchView& batch : message.batches) {
                      batch.ForEach([&](uint32_t, absl::string_view payload) {
                        stored.Add(batch.header().worker, payload);
                      });
                    }
                    return true;
                  });
  RETURN_IF_ERROR(reader.Run());
  return stored;
}

}  // namespace center::cli
