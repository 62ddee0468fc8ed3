#include "services/coordinator/api/result_pump.h"

#include <utility>

#include "services/common/rpc/status.h"
#include "services/coordinator/api/job_messages.h"

namespace center::coordinator {

absl::Status ResultPump::Check(const JobEntry& job, const Options& options) {
  if (job.discards() && (!options.submitter || job.readers.size() > 1)) {
    return rpc::WithReason(
        absl::FailedPreconditionError("the job's results are not kept (discard_results)"),
        "RESULTS_EXPIRED", {{"job", JobName(job.id)}});
  }
  if (options.position == 0) return absl::OkStatus();
  const jobs::Position position = jobs::Position::Decode(options.position);
  if (position.ordered != options.ordered || !job.index.IsBoundary(position)) {
    return rpc::InvalidFields(
        {{"position", "is not the next_position of a stream of this job in the same order"}});
  }
  return absl::OkStatus();
}

ResultPump::ResultPump(JobManager& manager, JobEntry& job, Options options,
                       std::function<void()> wake)
    : manager_(manager),
      job_(job),
      options_(options),
      wake_(std::move(wake)),
      position_{.ordered = options.ordered, .at = jobs::Position::Decode(options.position).at} {}

ResultPump::What ResultPump::Next(grpc::ByteBuffer* message) {
  if (!status_.ok()) return What::kFail;
  if (reading_) return What::kWait;
  if (body_ == nullptr) {
    jobs::ResultIndex::Entry* part = job_.index.Find(position_, /*skip_holes=*/job_.over);
    if (part == nullptr) {
      return job_.over || !options_.follow ? What::kEnd : What::kWait;
    }
    first_ = part->part.first;
    after_ = job_.index.After(*part, options_.ordered);
    reading_ = true;
    asking_ = true;
    manager_.ReadPart(job_, *part,
                      [self = shared_from_this()](auto body) { self->OnRead(std::move(body)); });
    asking_ = false;
    if (!status_.ok()) return What::kFail;
    if (reading_) return What::kWait;
    if (options_.submitter) part->body.reset();
  }
  position_ = after_;
  taken_ += body_->size();
  grpc::ByteBuffer made = BatchMessage(options_.field, first_, after_, std::move(body_));
  message->Swap(&made);
  body_ = nullptr;
  if (job_.discards()) job_.index.ForgetBefore(position_);
  return What::kMessage;
}

void ResultPump::OnRead(absl::StatusOr<std::shared_ptr<const std::string>> body) {
  reading_ = false;
  if (body.ok()) {
    body_ = *std::move(body);
  } else {
    status_ = body.status();
  }
  // Next itself looks at what has come while it asks.
  if (!asking_ && wake_ != nullptr) wake_();
}

}  // namespace center::coordinator
