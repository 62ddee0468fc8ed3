#include "services/coordinator/api/submit_stream.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/api/job_messages.h"
#include "services/coordinator/api/job_spec.h"

namespace center::coordinator {
namespace {

// Small messages that may be queued: what is queued counts as taken by the client.
constexpr size_t kQueuedBytesMax = 64 << 10;
constexpr size_t kQueuedMessagesMax = 4;

}  // namespace

void SubmitStream::Begin() {
  self_ = shared_from_this();
  StartRead(&request_);
}

// ---- gRPC's threads -------------------------------------------------------------------------

SubmitStream::Message SubmitStream::Parse(grpc::ByteBuffer* bytes) {
  v1::SubmitJobRequest request;
  const auto malformed = [](const std::string& what) {
    return Message{.error = rpc::InvalidFields({{"records", what}})};
  };
  if (!grpc::SerializationTraits<v1::SubmitJobRequest>::Deserialize(bytes, &request).ok()) {
    return malformed("the message cannot be understood");
  }
  if (request.has_submission()) return {.submission = std::move(*request.mutable_submission())};
  if (!request.has_records()) return malformed("the message is empty");
  v1::Records& records = *request.mutable_records();
  if (records.data().size() > kRecordsMessageBytesMax) {
    return malformed(absl::StrCat("a message has ", records.data().size(),
                                  " bytes of records, the most is ", kRecordsMessageBytesMax));
  }
  auto block = ToBlock(&records);
  if (!block.ok()) return malformed(std::string(block.status().message()));
  return {.records = *std::move(block)};
}

void SubmitStream::OnReadDone(bool ok) {
  if (!ok) {
    service_.post()([self = shared_from_this()] { self->HandleEnd(); });
    return;
  }
  service_.post()([self = shared_from_this(), message = Parse(&request_)]() mutable {
    self->HandleMessage(std::move(message));
  });
}

void SubmitStream::OnWriteDone(bool ok) {
  bool proof = false;
  {
    absl::MutexLock lock(&mutex_);
    proof = outgoing_.front().proof;
    outgoing_bytes_ -= outgoing_.front().bytes;
    outgoing_.pop_front();
    if (!ok && !outgoing_.empty() && outgoing_.back().last) Finish(grpc::Status::CANCELLED);
    if (!ok || closed_) {
      outgoing_.clear();
    } else if (!outgoing_.empty()) {
      StartNext();
    }
  }
  service_.post()([self = shared_from_this(), ok, proof] { self->HandleWritten(ok, proof); });
}

void SubmitStream::StartNext() {
  Outgoing& next = outgoing_.front();
  if (next.last) {
    closed_ = true;
    StartWriteAndFinish(&next.message, grpc::WriteOptions(), grpc::Status::OK);
  } else {
    StartWrite(&next.message);
  }
}

void SubmitStream::OnCancel() {
  service_.post()([self = shared_from_this()] {
    if (self->ended_) return;
    JobEntry* const job = self->job_;
    self->FinishAs(absl::CancelledError("the client was lost"));
    if (job != nullptr) self->service_.manager().ClientLost(*job);
  });
}

// ---- Control thread -------------------------------------------------------------------------

void SubmitStream::HandleMessage(Message message) {
  reading_ = false;
  if (ended_) return;
  if (!submitted_) {
    if (!message.error.ok()) return FinishAs(message.error);
    if (!message.submission.has_value()) {
      return FinishAs(rpc::InvalidFields({{"submission", "must be the first message"}}));
    }
    return Submit(*std::move(message.submission));
  }
  absl::Status wrong = message.error;
  if (wrong.ok() && message.submission.has_value()) {
    wrong = rpc::InvalidFields({{"submission", "was sent before"}});
  } else if (wrong.ok() && !job_->submission.spec().has_records()) {
    wrong = rpc::InvalidFields({{"records", "the job's inputs are not records"}});
  }
  if (!wrong.ok()) {
    JobEntry& job = *job_;
    const bool ends = gives_inputs_;
    FinishAs(wrong);
    if (ends) {
      service_.manager().EndJob(
          job, jobs::JobState::kCancelled,
          absl::StrCat("its client sent something malformed: ", wrong.message()));
    }
    return;
  }
  if (gives_inputs_) {
    service_.manager().AddInputs(*job_, std::move(message.records), /*store=*/true);
  }
  if (!ended_) MaybeRead();
}

void SubmitStream::Submit(v1::JobSubmission submission) {
  if (absl::Status status = service_.Enter(this); !status.ok()) return FinishAs(status);
  submitted_ = true;
  detach_ = bool{submission.detach()};
  stream_results_ = submission.stream_results() && !detach_;
  service_.manager().Submit(
      std::move(submission),
      [self = shared_from_this()](const absl::StatusOr<JobEntry*>& job, bool is_new) {
        self->OnSubmitted(job, is_new);
      });
}

void SubmitStream::OnSubmitted(const absl::StatusOr<JobEntry*>& job, bool is_new) {
  if (ended_) {
    // The client was lost while its submission waited.
    if (job.ok() && is_new) {
      service_.manager().EndJob(**job, jobs::JobState::kCancelled, "its client was lost");
    }
    return;
  }
  if (!job.ok()) return FinishAs(job.status());
  job_ = *job;
  gives_inputs_ = is_new && job_->submission.spec().has_records();
  service_.manager().Attach(*job_, this, /*submitter=*/true, stream_results_);
  if (stream_results_) {
    const ResultPump::Options options{.ordered = job_->submission.spec().ordered(),
                                      .submitter = true,
                                      .field = v1::SubmitJobResponse::kResultsFieldNumber};
    if (absl::Status status = ResultPump::Check(*job_, options); !status.ok()) {
      return FinishAs(status);
    }
    results_ = std::make_shared<ResultPump>(service_.manager(), *job_, options, [this] { Pump(); });
  }
  OnJob();
}

void SubmitStream::OnJob() {
  if (ended_ || job_ == nullptr) return;
  MaybeRead();
  Pump();
}

void SubmitStream::MaybeRead() {
  if (reading_ || inputs_ended_ || ended_) return;
  if (gives_inputs_ && !service_.manager().WantsInputs(*job_)) return;
  reading_ = true;
  StartRead(&request_);
}

void SubmitStream::HandleEnd() {
  reading_ = false;
  if (ended_ || inputs_ended_) return;
  if (!submitted_) {
    return FinishAs(rpc::InvalidFields({{"submission", "must be the first message"}}));
  }
  inputs_ended_ = true;
  if (job_ != nullptr) Pump();
}

// A connection that breaks ends the client's half, too. That it was closed on purpose is certain
// when a message that is begun afterwards can still be written; a lost client must not pass for one
// that has sent everything.
void SubmitStream::HandleWritten(bool ok, bool proof) {
  if (proof) proving_ = false;
  if (ended_ || !ok) return;  // without success OnCancel follows
  if (proof && !completed_ && !context_.IsCancelled()) {
    completed_ = true;
    service_.manager().CompleteInputs(*job_);
    if (ended_) return;
  }
  if (results_ != nullptr) service_.manager().SetTaken(*job_, this, results_->taken());
  if (!ended_) Pump();
}

void SubmitStream::Pump() {
  // From the finish on gRPC may be done with the call, on a thread of its own.
  const std::shared_ptr<SubmitStream> keep = shared_from_this();
  while (!ended_ && job_->stored && HasRoom() && QueueNext()) {
  }
}

// False: there is nothing to be told now.
bool SubmitStream::QueueNext() {
  const bool arrived = job_->inputs_stored || !gives_inputs_ || job_->ended;
  const bool to_be_proved = gives_inputs_ && inputs_ended_ && !completed_ && !proving_;
  if (detach_ && arrived) return QueueJob(/*last=*/true), true;
  if (!told_ || to_be_proved) return QueueJob(/*last=*/false), true;
  if (detach_) return false;
  if (results_ != nullptr && QueueResults()) return true;
  if (ended_ || (results_ != nullptr && results_->reading() && job_->over)) return false;
  if (job_->over) return QueueJob(/*last=*/true), true;
  if (job_->version > told_version_) return QueueJob(/*last=*/false), true;
  return false;
}

bool SubmitStream::QueueResults() {
  grpc::ByteBuffer message;
  switch (results_->Next(&message)) {
    case ResultPump::What::kMessage:
      Queue(&message, /*last=*/false);
      return true;
    case ResultPump::What::kWait:
    case ResultPump::What::kEnd:
      return false;
    case ResultPump::What::kFail:
      FinishAs(results_->status());
      return false;
  }
  return false;
}

void SubmitStream::QueueJob(bool last) {
  told_ = true;
  told_version_ = job_->version;
  v1::Job view = service_.manager().View(*job_, /*with_failures=*/true);
  grpc::ByteBuffer message = FieldMessage(v1::SubmitJobResponse::kJobFieldNumber, view);
  ended_ = last;
  Queue(&message, last);
  if (last) Leave();
}

bool SubmitStream::HasRoom() {
  absl::MutexLock lock(&mutex_);
  return outgoing_.empty() ||
         (outgoing_bytes_ < kQueuedBytesMax && outgoing_.size() < kQueuedMessagesMax);
}

void SubmitStream::Queue(grpc::ByteBuffer* message, bool last) {
  const bool proof = gives_inputs_ && inputs_ended_ && !completed_;
  proving_ = proving_ || proof;
  absl::MutexLock lock(&mutex_);
  Outgoing& added = outgoing_.emplace_back();
  added.message.Swap(message);
  added.bytes = added.message.Length();
  added.last = last;
  added.proof = proof;
  outgoing_bytes_ += added.bytes;
  if (outgoing_.size() == 1) StartNext();
}

void SubmitStream::EndWith(const absl::Status& status) { FinishAs(status); }

void SubmitStream::FinishAs(const absl::Status& status) {
  if (ended_) return;
  const std::shared_ptr<SubmitStream> keep = shared_from_this();  // as above
  ended_ = true;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  Finish(rpc::ToGrpc(status));
  Leave();
}

void SubmitStream::Leave() {
  service_.Leave(this);
  if (results_ != nullptr) results_->Close();
  if (JobEntry* const job = std::exchange(job_, nullptr)) {
    service_.manager().Detach(*job, this, /*submitter=*/true);
  }
}

}  // namespace center::coordinator
