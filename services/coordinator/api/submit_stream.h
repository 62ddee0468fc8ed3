// One call of JobService.SubmitJob.
#pragma once

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/job.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/api/job_service.h"
#include "services/coordinator/api/result_pump.h"

namespace center::coordinator {

// gRPC's threads parse what was read and post it, and write what is queued; everything else is the
// control thread's. One read is outstanding at most, and a few messages are queued.
//
// It keeps itself alive until gRPC is done with it.
class SubmitStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                           public JobWatcher,
                           public JobServiceImpl::Stream,
                           public std::enable_shared_from_this<SubmitStream> {
 public:
  SubmitStream(JobServiceImpl& service, grpc::CallbackServerContext& context)
      : service_(service), context_(context) {}

  void Begin();

  // gRPC's threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

  // Control thread.
  void OnJob() override;
  void EndWith(const absl::Status& status) override;

 private:
  struct Message {
    absl::Status error;
    absl::optional<v1::JobSubmission> submission;
    std::shared_ptr<const jobs::RecordBlock> records;
  };
  static Message Parse(grpc::ByteBuffer* bytes);

  void HandleMessage(Message message);
  void HandleEnd();
  void HandleWritten(bool ok, bool proof);
  void Submit(v1::JobSubmission submission);
  void OnSubmitted(const absl::StatusOr<JobEntry*>& job, bool is_new);
  void MaybeRead();
  void Pump();
  bool QueueNext();
  bool QueueResults();
  void QueueJob(bool last);
  // More may be queued.
  bool HasRoom();
  void Queue(grpc::ByteBuffer* message, bool last);
  void StartNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishAs(const absl::Status& status);
  void Leave();

  JobServiceImpl& service_;
  grpc::CallbackServerContext& context_;
  std::shared_ptr<SubmitStream> self_;  // until OnDone
  grpc::ByteBuffer request_;            // owned by the read that is under way

  // What is to be written; the first is being written. The next one begins without the control
  // thread: small jobs are told of in three messages, and each hop costs.
  struct Outgoing {
    grpc::ByteBuffer message;
    size_t bytes = 0;
    bool last = false;   // the call ends with it
    bool proof = false;  // begun after the client's half was closed
  };
  absl::Mutex mutex_;
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mutex_);
  size_t outgoing_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;  // nothing more begins

  // Control thread.
  JobEntry* job_ = nullptr;  // from OnSubmitted until Leave
  std::shared_ptr<ResultPump> results_;
  bool submitted_ = false;  // the first message has come
  bool gives_inputs_ = false;
  bool detach_ = false;
  bool stream_results_ = false;
  bool reading_ = false;
  bool told_ = false;          // the first response
  bool inputs_ended_ = false;  // the client's half is closed
  bool proving_ = false;       // a message is queued that was begun after that
  bool completed_ = false;     // and the job knows
  uint64_t told_version_ = 0;
  bool ended_ = false;
};

}  // namespace center::coordinator
