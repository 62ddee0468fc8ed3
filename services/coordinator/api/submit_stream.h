// One call of JobService.SubmitJob.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "center/v1/job.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/api/job_service.h"
#include "services/coordinator/api/result_pump.h"

namespace center::coordinator {

// gRPC's threads parse what was read and post it; everything else is the control thread's. One
// read and one write are outstanding at most.
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
  void HandleWritten(bool ok);
  void Submit(v1::JobSubmission submission);
  void OnSubmitted(const absl::StatusOr<JobEntry*>& job, bool is_new);
  void MaybeRead();
  void Pump();
  bool WriteResults();
  void WriteJob();
  void Write();
  void WriteJobAndFinish();
  void FinishAs(const absl::Status& status);
  void Leave();

  JobServiceImpl& service_;
  grpc::CallbackServerContext& context_;
  std::shared_ptr<SubmitStream> self_;  // until OnDone
  grpc::ByteBuffer request_;            // owned by the read that is under way
  grpc::ByteBuffer response_;           // and by the write

  // Control thread.
  JobEntry* job_ = nullptr;  // from OnSubmitted until Leave
  std::shared_ptr<ResultPump> results_;
  bool submitted_ = false;  // the first message has come
  bool gives_inputs_ = false;
  bool detach_ = false;
  bool stream_results_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool told_ = false;          // the first response
  bool inputs_ended_ = false;  // the client's half is closed
  bool proving_ = false;       // this write was begun after that
  bool completed_ = false;     // and the job knows
  uint64_t told_version_ = 0;
  bool ended_ = false;
};

}  // namespace center::coordinator
