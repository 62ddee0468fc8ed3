// JobService for gRPC.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "center/v1/job.grpc.pb.h"
#include "services/coordinator/api/job_manager.h"

namespace center::coordinator {

inline constexpr size_t kJobStreamsMax = 20'000;

// Streams write raw messages: results go out as they were stored. Shut the server down, with the
// control thread still running, before this is destroyed.
class JobServiceImpl final
    : public v1::JobService::WithRawCallbackMethod_SubmitJob<
          v1::JobService::WithRawCallbackMethod_StreamResults<
              v1::JobService::WithCallbackMethod_GetJob<v1::JobService::WithCallbackMethod_ListJobs<
                  v1::JobService::WithCallbackMethod_CancelJob<
                      v1::JobService::WithCallbackMethod_ListTasks<v1::JobService::Service>>>>>> {
 public:
  JobServiceImpl(JobManager& manager, std::function<void(std::function<void()>)> post)
      : manager_(manager), post_(std::move(post)) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* SubmitJob(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamResults(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::CancelJobResponse* response) override;
  grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context,
                                      const v1::ListTasksRequest* request,
                                      v1::ListTasksResponse* response) override;

  // Ends all streams with UNAVAILABLE and refuses new ones: the jobs stay. Control thread.
  void EndStreams();

  // What the two kinds of streams need of it. Control thread.
  class Stream {
   public:
    virtual ~Stream() = default;
    virtual void EndWith(const absl::Status& status) = 0;
  };
  // Why a stream cannot be admitted, or ok; then it is known until Leave.
  absl::Status Enter(Stream* stream);
  void Leave(Stream* stream) { streams_.erase(stream); }
  JobManager& manager() { return manager_; }
  const std::function<void(std::function<void()>)>& post() const { return post_; }

 private:
  JobManager& manager_;
  const std::function<void(std::function<void()>)> post_;
  // Control thread.
  std::set<Stream*> streams_;
  bool stopping_ = false;
};

}  // namespace center::coordinator
