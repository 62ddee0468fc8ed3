// A coordinator with one server whose only worker computes in the test's process.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "center/v1/job.grpc.pb.h"
#include "tests/unit/coordinator_api/coordinator_fixture.h"
#include "tests/unit/coordinator_api/fake_compute.h"

namespace center::coordinator {

// A client's end of JobService.SubmitJob.
class Submitter {
 public:
  Submitter(v1::JobService::Stub& stub, const v1::JobSubmission& submission) {
    SetPatience(context_);
    stream_ = stub.SubmitJob(&context_);
    v1::SubmitJobRequest request;
    *request.mutable_submission() = submission;
    stream_->Write(request);
  }
  ~Submitter() {
    if (finished_) return;
    context_.TryCancel();
    End().IgnoreError();
  }
  bool Send(const std::vector<std::string>& records) {
    v1::SubmitJobRequest request;
    for (const std::string& record : records) {
      request.mutable_records()->add_sizes(static_cast<uint32_t>(record.size()));
      request.mutable_records()->mutable_data()->append(record);
    }
    return stream_->Write(request);
  }
  bool SendMessage(const v1::SubmitJobRequest& request) { return stream_->Write(request); }
  void CloseInputs() { stream_->WritesDone(); }
  // The next message; false at the end.
  bool Read() {
    v1::SubmitJobResponse response;
    if (!stream_->Read(&response)) return false;
    if (response.has_job()) {
      job = response.job();
      ++jobs_seen;
      return true;
    }
    Take(response.results());
    return true;
  }
  void Take(const v1::ResultBatch& batch) {
    order.push_back(batch.first_index());
    position = batch.next_position();
    const v1::Records& records = batch.results();
    uint64_t at = 0;
    const uint64_t count = records.sizes_size() > 0 ? records.sizes_size() : records.count();
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t size =
          records.sizes_size() > 0 ? records.sizes(static_cast<int>(i)) : records.uniform_size();
      const bool is_new =
          results.emplace(batch.first_index() + i, records.data().substr(at, size)).second;
      EXPECT_TRUE(is_new) << "input " << batch.first_index() + i << " again";
      at += size;
    }
    for (const v1::InputFailure& failure : batch.failures()) {
      failures[failure.index()] = failure;
    }
  }
  // Reads all that is left.
  absl::Status End() {
    while (Read()) {
    }
    finished_ = true;
    return rpc::FromGrpc(stream_->Finish());
  }
  void Vanish() {
    context_.TryCancel();
    End().IgnoreError();
  }

  v1::Job job;  // as it was told last
  int jobs_seen = 0;
  std::map<uint64_t, std::string> results;
  std::map<uint64_t, v1::InputFailure> failures;
  std::vector<uint64_t> order;  // first indexes of the batches
  uint64_t position = 0;        // after the last one

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubmitJobRequest, v1::SubmitJobResponse>> stream_;
  bool finished_ = false;
};

class JobServiceTest : public CoordinatorTest {
 protected:
  void SetUp() override {
    compute_ = std::make_unique<FakeCompute>(scratch_.path() + "/w.sock");
    Up();
  }
  void TearDown() override {
    peer_.reset();
    StopNow();
  }
  // Starts the coordinator, and the server with its worker.
  void Up(bool start_server = true) {
    StartCoordinator();
    jobs_ = v1::JobService::NewStub(channel_);
    if (start_server) {
      v1::StartServerRequest request;
      request.set_name("s");
      request.mutable_spec()->set_port(0);
      // The worker sends one heartbeat, and no other while a test waits.
      request.mutable_spec()->mutable_liveness_timeout()->set_seconds(
          2 * absl::ToInt64Seconds(kPatience));
      const auto started = Start(request);
      ASSERT_TRUE(started.ok()) << started.status();
    }
    Join();
  }
  // The worker registers, and is READY.
  void Join() {
    EXPECT_TRUE(Eventually([&] { return WorkerOf("s").pid() != 0; }));
    v1::Hello hello = HelloOf("s");
    hello.set_address(compute_->address());
    peer_ = std::make_unique<WorkerPeer>(*registry_);
    peer_->SayHello(hello);
    EXPECT_EQ(peer_->Hear(), "welcome");
    EXPECT_EQ(peer_->Hear(), "committed nothing");
    peer_->Beat(v1::WORKER_STATE_READY);
    EXPECT_TRUE(Eventually([&] { return WorkerOf("s").state() == v1::WORKER_STATE_READY; }));
  }

  static v1::JobSubmission Range(uint64_t count, const std::string& task = "echo") {
    v1::JobSubmission submission;
    submission.mutable_spec()->set_server("s");
    submission.mutable_spec()->set_task(task);
    submission.mutable_spec()->mutable_range()->set_count(count);
    submission.set_stream_results(true);
    return submission;
  }
  static v1::JobSubmission Records(const std::string& task = "echo") {
    v1::JobSubmission submission = Range(0, task);
    submission.mutable_spec()->mutable_records();
    return submission;
  }
  v1::Job GetJob(const std::string& id) {
    grpc::ClientContext context;
    SetPatience(context);
    v1::GetJobRequest request;
    request.set_id(id);
    v1::GetJobResponse response;
    last_ = jobs_->GetJob(&context, request, &response);
    return response.job();
  }
  // What StreamResults gives.
  absl::Status ReadResults(const v1::StreamResultsRequest& request, Submitter* into) {
    grpc::ClientContext context;
    SetPatience(context);
    auto reader = jobs_->StreamResults(&context, request);
    v1::StreamResultsResponse response;
    while (reader->Read(&response)) into->Take(response.results());
    return rpc::FromGrpc(reader->Finish());
  }

  std::unique_ptr<FakeCompute> compute_;
  std::unique_ptr<WorkerPeer> peer_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
};

}  // namespace center::coordinator
