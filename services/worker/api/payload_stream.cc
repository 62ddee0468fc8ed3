#include "services/worker/api/payload_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/payload_batch.h"
#include "services/common/rpc/status.h"
#include "services/worker/api/worker_messages.h"

namespace center::worker {
namespace {

// A stream that has nothing to send says so this often.
constexpr auto kProgressInterval = std::chrono::seconds(10);
// At the tail, progress through payloads that the filter leaves out is told at most this often.
constexpr auto kProgressPause = std::chrono::milliseconds(200);
// What a stream may search in vain before others get their turn.
constexpr size_t kSearchSliceBytes = 2 << 20;

grpc::Status Ending() {
  return rpc::ToGrpc(
      rpc::WithReason(absl::UnavailableError("the worker is ending; call again with your cursor"),
                      "WORKER_UNAVAILABLE"));
}

}  // namespace

PayloadStream::PayloadStream(StreamPlan plan, const Dependencies& dependencies)
    : plan_(std::move(plan)),
      dependencies_(dependencies),
      reader_(dependencies.journal.NewReader(plan_.start)),
      last_sent_(dependencies.clock.Steady()) {}

void PayloadStream::OnWriteDone(bool ok) {
  if (!ok) {
    Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the subscriber is gone"));
    return;
  }
  Run();
}

void PayloadStream::OnCancel() {
  if (dependencies_.scheduler.Cancel(this)) Finish(grpc::Status::CANCELLED);
}

void PayloadStream::OnDone() {
  dependencies_.streams.fetch_sub(1, std::memory_order_acq_rel);
  delete this;
}

void PayloadStream::Run() {
  size_t searched = 0;
  // Once Turn says kLeave, the stream may be another thread's already, or gone.
  while (Turn(&searched) == Next::kAgain) {
  }
}

PayloadStream::Next PayloadStream::Turn(size_t* searched) {
  if (dependencies_.scheduler.IsCancelled(this)) {
    Finish(grpc::Status::CANCELLED);
    return Next::kLeave;
  }
  auto result = AtStop() ? journal::Reader::Result() : reader_->Read(plan_.message_bytes);
  absl::Status status = result.status();
  ResponseBuilder builder(status.ok() ? result->buffer : nullptr);
  if (status.ok()) status = Collect(*result, &builder);
  if (!status.ok()) {
    spdlog::error("a payload stream ends: the journal cannot be read: {}", status);
    Finish(rpc::ToGrpc(JournalUnreadable(status)));
    return Next::kLeave;
  }
  if (result->gap.has_value()) builder.SetGap(GapToProto(*result->gap, dependencies_.worker));
  const bool caught_up = reader_->next_offset() >= dependencies_.journal.visible_end();
  if (!builder.empty()) {
    // Told along with the last payloads rather than in a message of its own.
    if (caught_up || AtStop()) AddProgress(&builder);
    Send(std::move(builder));
    return Next::kLeave;
  }
  for (const journal::RecordView& record : result->records) *searched += record.bytes.size();
  return NothingToSend(caught_up, *searched);
}

PayloadStream::Next PayloadStream::NothingToSend(bool caught_up, size_t searched) {
  const uint64_t next = reader_->next_offset();
  const SteadyTime now = dependencies_.clock.Steady();
  const bool told = progress_offset_ == next;
  if (AtStop() && told) {
    Finish(grpc::Status::OK);
    return Next::kLeave;
  }
  const bool first = progress_offset_ == UINT64_MAX;
  const bool due = AtStop() || now - last_sent_ >= kProgressInterval ||
                   (caught_up && !told && (first || now - last_sent_ >= kProgressPause));
  if (due) {
    ResponseBuilder builder(nullptr);
    AddProgress(&builder);
    Send(std::move(builder));
    return Next::kLeave;
  }
  if (caught_up) {
    if (dependencies_.scheduler.ending()) {
      Finish(Ending());
      return Next::kLeave;
    }
    const SteadyTime deadline =
        last_sent_ + (told ? SteadyDuration(kProgressInterval) : SteadyDuration(kProgressPause));
    return dependencies_.scheduler.Wait(this, next, deadline) ? Next::kLeave : Next::kAgain;
  }
  if (searched < kSearchSliceBytes) return Next::kAgain;
  dependencies_.scheduler.Yield(this);
  return Next::kLeave;
}

absl::Status PayloadStream::Collect(const journal::Reader::Result& result,
                                    ResponseBuilder* builder) {
  std::string encoded;
  for (const journal::RecordView& record : result.records) {
    const bool whole = record.base_offset >= plan_.start;
    if (plan_.matcher == nullptr && whole) {
      builder->AddRecord(record);
      continue;
    }
    const auto batch = BatchView::Parse(record.bytes);
    if (!batch.ok()) {
      return absl::DataLossError(absl::StrCat("the record at offset ", record.base_offset, ": ",
                                              batch.status().message()));
    }
    const MatchResult match =
        AppendMatching(*batch, record.base_offset, plan_.start, plan_.matcher.get(), &encoded);
    if (match == MatchResult::kSome) builder->AddEncoded(std::exchange(encoded, {}));
    if (match == MatchResult::kAll) builder->AddRecord(record);
  }
  return absl::OkStatus();
}

void PayloadStream::AddProgress(ResponseBuilder* builder) {
  v1::Progress progress;
  progress.set_worker(dependencies_.worker);
  progress.set_next_offset(reader_->next_offset());
  progress.set_end_offset(dependencies_.journal.visible_end());
  builder->SetProgress(progress);
  progress_offset_ = reader_->next_offset();
}

void PayloadStream::Send(ResponseBuilder builder) {
  last_sent_ = dependencies_.clock.Steady();
  message_ = builder.Build();
  if (AtStop()) {
    StartWriteAndFinish(&message_, grpc::WriteOptions(), grpc::Status::OK);
  } else {
    StartWrite(&message_);
  }
}

}  // namespace center::worker
