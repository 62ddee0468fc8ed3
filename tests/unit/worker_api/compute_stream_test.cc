// WorkerService.Compute, over a real connection.
#include "services/worker/api/compute_stream.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/status.h"
#include "services/worker/api/compute_host.h"
#include "services/worker/api/worker_service.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/compute/testing.h"
#include "tests/unit/worker_api/grpc_environment.h"

namespace center::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPoolWorker[] = "pool/3";
constexpr std::chrono::seconds kStreamLimit{60};

v1::RunChunk MakeRun(uint64_t id, const std::string& task, const std::vector<std::string>& inputs) {
  v1::RunChunk run;
  run.set_chunk_id(id);
  run.set_job("j1");
  run.set_task(task);
  v1::Records& records = *run.mutable_inputs()->mutable_records();
  for (const std::string& input : inputs) {
    records.add_sizes(static_cast<uint32_t>(input.size()));
    records.mutable_data()->append(input);
  }
  return run;
}

// The coordinator's end of a stream.
class Caller {
 public:
  explicit Caller(v1::WorkerService::Stub& stub) {
    context_.set_deadline(std::chrono::system_clock::now() + kStreamLimit);
    stream_ = stub.Compute(&context_);
  }
  ~Caller() {
    if (finished_) return;
    Cancel();
    Finish().IgnoreError();
  }

  bool Run(v1::RunChunk run) {
    v1::ComputeRequest request;
    *request.mutable_run() = std::move(run);
    return stream_->Write(request);
  }
  bool CancelChunk(uint64_t id) {
    v1::ComputeRequest request;
    request.mutable_cancel()->set_chunk_id(id);
    return stream_->Write(request);
  }
  void HalfClose() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }

  // Nothing when the stream has ended.
  absl::optional<v1::ComputeHello> ReadHello() {
    v1::ComputeResponse response;
    if (!stream_->Read(&response) || !response.has_hello()) return absl::nullopt;
    return response.hello();
  }
  absl::optional<v1::ChunkResult> ReadResult() {
    v1::ComputeResponse response;
    if (!stream_->Read(&response) || !response.has_result()) return absl::nullopt;
    return response.result();
  }
  // Reads to the end.
  absl::Status Finish() {
    v1::ComputeResponse ignored;
    while (stream_->Read(&ignored)) {
    }
    finished_ = true;
    return rpc::FromGrpc(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ComputeRequest, v1::ComputeResponse>> stream_;
  bool finished_ = false;
};

class ComputeStreamTest : public ::testing::Test {
 protected:
  ComputeStreamTest() {
    ComputeHost::Options options;
    options.modules = {absl::StrCat(CENTER_TASK_MODULES, "/libmisbehaving.so")};
    auto host = ComputeHost::Create(kPoolWorker, options, &recorder_, RealClock());
    EXPECT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
    service_ = std::make_unique<WorkerService>(WorkerService::Options{kPoolWorker}, absl::nullopt,
                                               *host_, RealClock());
    address_ = *ParseNetAddress(absl::StrCat("unix:", folder_.path(), "/worker.sock"));
    auto bound = rpc::StartServer({.addresses = {address_}, .services = {service_.get()}});
    EXPECT_TRUE(bound.ok()) << bound.status();
    server_ = std::move(bound->server);
    stub_ = v1::WorkerService::NewStub(rpc::MakeChannel(address_));
  }
  ~ComputeStreamTest() override {
    service_->EndStreams();
    server_->Shutdown(std::chrono::system_clock::now() + kStreamLimit);
    server_->Wait();
  }

  // True once the thread runs this input of this chunk.
  bool WaitUntilRunning(uint64_t chunk, uint64_t input) {
    return compute::Eventually([&] {
      return recorder_.running[0].chunk.load() == chunk &&
             recorder_.running[0].input.load() == input;
    });
  }

  ScratchDir folder_;
  FlightRecorder recorder_{};
  std::unique_ptr<ComputeHost> host_;
  std::unique_ptr<WorkerService> service_;
  NetAddress address_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
};

TEST_F(ComputeStreamTest, HelloComesFirstAndSaysWhatTheWorkerCanDo) {
  Caller caller(*stub_);
  const auto hello = caller.ReadHello();
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->threads(), 1u);
  std::vector<std::string> names;
  for (const v1::TaskInfo& task : hello->tasks()) {
    names.push_back(task.name());
    if (task.name() == "misbehave") {
      EXPECT_THAT(task.module(), HasSubstr("misbehaving"));
    }
    if (task.name() == "sha256") {
      EXPECT_EQ(task.module(), "");
      EXPECT_EQ(task.summary(), "the SHA-256 of each input");
      EXPECT_THAT(task.help(), HasSubstr("hexadecimal"));
    }
  }
  EXPECT_THAT(names, ::testing::IsSupersetOf({"countdown", "sha256", "misbehave"}));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST_F(ComputeStreamTest, EveryChunkIsAnsweredOnce) {
  Caller caller(*stub_);
  ASSERT_TRUE(caller.ReadHello().has_value());
  v1::RunChunk range;
  range.set_chunk_id(2);
  range.set_task("countdown");
  range.mutable_inputs()->mutable_range()->set_first(1);
  range.mutable_inputs()->mutable_range()->set_count(3);
  ASSERT_TRUE(caller.Run(MakeRun(1, "echo", {"a", "bb"})));
  ASSERT_TRUE(caller.Run(range));
  const auto first = caller.ReadResult();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->chunk_id(), 1u);
  EXPECT_EQ(first->results().data(), "abb");
  EXPECT_THAT(first->results().sizes(), ElementsAre(1, 2));
  EXPECT_EQ(first->results().count(), 0u);
  EXPECT_FALSE(first->cancelled());
  EXPECT_TRUE(first->has_task_time());
  EXPECT_TRUE(first->has_wait_time());
  const auto second = caller.ReadResult();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->chunk_id(), 2u);
  EXPECT_EQ(second->results().data(), "-1-2-3");
  EXPECT_THAT(second->results().sizes(), IsEmpty());
  EXPECT_EQ(second->results().uniform_size(), 2u);
  EXPECT_EQ(second->results().count(), 3u);
  caller.HalfClose();
  EXPECT_TRUE(caller.Finish().ok());
}

TEST_F(ComputeStreamTest, WhatWasAskedForBeforeTheHalfCloseIsAnswered) {
  Caller caller(*stub_);
  ASSERT_TRUE(caller.Run(MakeRun(1, "sleep", {"50ms"})));
  ASSERT_TRUE(caller.Run(MakeRun(2, "echo", {"x"})));
  caller.HalfClose();
  ASSERT_TRUE(caller.ReadHello().has_value());
  EXPECT_TRUE(caller.ReadResult().has_value());
  EXPECT_TRUE(caller.ReadResult().has_value());
  const absl::Status status = caller.Finish();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(ComputeStreamTest, FailuresSayWhichWhyAndWhere) {
  Caller caller(*stub_);
  ASSERT_TRUE(caller.ReadHello().has_value());
  v1::RunChunk run = MakeRun(1, "misbehave", {"a", "throw", "fail"});
  run.set_first_index(10);
  ASSERT_TRUE(caller.Run(run));
  const auto result = caller.ReadResult();
  ASSERT_TRUE(result.has_value());
  ASSERT_EQ(result->failures_size(), 2);
  EXPECT_EQ(result->failures(0).index(), 11u);
  EXPECT_EQ(result->failures(0).cause(), v1::InputFailure::CAUSE_EXCEPTION);
  EXPECT_EQ(result->failures(0).message(), "thrown as asked");
  EXPECT_EQ(result->failures(0).input(), "throw");
  EXPECT_EQ(result->failures(0).worker(), kPoolWorker);
  EXPECT_EQ(result->failures(1).cause(), v1::InputFailure::CAUSE_TASK_ERROR);
}

TEST_F(ComputeStreamTest, ACancelledChunkTellsWhatWasFinished) {
  Caller caller(*stub_);
  ASSERT_TRUE(caller.ReadHello().has_value());
  ASSERT_TRUE(caller.Run(MakeRun(1, "misbehave", {"a", "poll", "b"})));
  ASSERT_TRUE(caller.Run(MakeRun(2, "echo", {"x"})));
  ASSERT_TRUE(WaitUntilRunning(1, 1));
  ASSERT_TRUE(caller.CancelChunk(2));
  const auto waiting = caller.ReadResult();
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->chunk_id(), 2u);
  EXPECT_TRUE(waiting->cancelled());
  EXPECT_EQ(waiting->results().count(), 0u);
  ASSERT_TRUE(caller.CancelChunk(77));  // not known
  ASSERT_TRUE(caller.CancelChunk(1));
  const auto running = caller.ReadResult();
  ASSERT_TRUE(running.has_value());
  EXPECT_TRUE(running->cancelled());
  EXPECT_EQ(running->results().data(), "a");
  EXPECT_EQ(running->results().count(), 1u);
}

TEST_F(ComputeStreamTest, AnInputsTimeoutIsKept) {
  Caller caller(*stub_);
  ASSERT_TRUE(caller.ReadHello().has_value());
  v1::RunChunk run = MakeRun(1, "misbehave", {"poll", "b"});
  run.mutable_input_timeout()->set_nanos(10'000'000);
  ASSERT_TRUE(caller.Run(run));
  const auto result = caller.ReadResult();
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(result->cancelled());
  ASSERT_EQ(result->failures_size(), 1);
  EXPECT_EQ(result->failures(0).cause(), v1::InputFailure::CAUSE_TIMEOUT);
  EXPECT_EQ(result->results().data(), "b");
}

TEST_F(ComputeStreamTest, MalformedRequestsEndTheStream) {
  const auto status_of = [&](v1::RunChunk run) {
    Caller caller(*stub_);
    caller.Run(std::move(run));
    const absl::Status status = caller.Finish();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(status_of(MakeRun(0, "echo", {"a"})), HasSubstr("chunk_id must not be 0"));
  v1::RunChunk none;
  none.set_chunk_id(1);
  EXPECT_THAT(status_of(none), HasSubstr("inputs: none"));
  v1::RunChunk lying = MakeRun(1, "echo", {"abc"});
  lying.mutable_inputs()->mutable_records()->add_sizes(1);
  EXPECT_THAT(status_of(lying), HasSubstr("chunk 1: records of 4 bytes together, but 3"));
  v1::RunChunk endless;
  endless.set_chunk_id(1);
  endless.mutable_inputs()->mutable_records()->set_count(UINT64_MAX);
  EXPECT_THAT(status_of(endless), HasSubstr("the limit is"));
  v1::RunChunk timeless = MakeRun(1, "echo", {"a"});
  timeless.mutable_input_timeout();
  EXPECT_THAT(status_of(timeless), HasSubstr("input_timeout must be positive"));
  v1::RunChunk beyond = MakeRun(1, "echo", {"a"});
  beyond.set_first_index(UINT64_MAX);
  EXPECT_THAT(status_of(beyond), HasSubstr("first_index"));
}

TEST_F(ComputeStreamTest, AChunkIdInUseIsMalformed) {
  Caller caller(*stub_);
  ASSERT_TRUE(caller.Run(MakeRun(1, "misbehave", {"poll"})));
  ASSERT_TRUE(caller.Run(MakeRun(1, "echo", {"a"})));
  const absl::Status status = caller.Finish();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("chunk 1 runs already"));
}

TEST_F(ComputeStreamTest, ASecondStreamIsTurnedAwayWhileTheFirstIsSound) {
  Caller first(*stub_);
  ASSERT_TRUE(first.ReadHello().has_value());
  Caller second(*stub_);
  const absl::Status status = second.Finish();
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(rpc::ReasonOf(status), "COMPUTE_BUSY");
  ASSERT_TRUE(first.Run(MakeRun(1, "echo", {"x"}))) << "the first goes on";
  EXPECT_TRUE(first.ReadResult().has_value());
}

// True once a stream is served again.
bool IsServed(v1::WorkerService::Stub& stub) {
  return compute::Eventually([&] {
    Caller caller(stub);
    return caller.ReadHello().has_value();
  });
}

TEST_F(ComputeStreamTest, AStreamThatBreaksStopsItsTasksAndMakesRoom) {
  {
    Caller caller(*stub_);
    ASSERT_TRUE(caller.Run(MakeRun(1, "misbehave", {"poll"})));
    ASSERT_TRUE(caller.Run(MakeRun(2, "misbehave", {"poll"})));
    ASSERT_TRUE(WaitUntilRunning(1, 0));
    caller.Cancel();
  }
  EXPECT_TRUE(IsServed(*stub_));
  EXPECT_TRUE(compute::Eventually([&] { return host_->stats().chunks == 0; }));
  EXPECT_EQ(recorder_.running[0].chunk.load(), 0u);
}

TEST_F(ComputeStreamTest, AResultThatIsNotReadHoldsUpTheNextChunks) {
  Caller caller(*stub_);
  const std::string input(size_t{8} << 20, 'x');
  for (uint64_t id = 1; id <= 12; ++id) {
    ASSERT_TRUE(caller.Run(MakeRun(id, "echo", {input, input})));
  }
  // 12 × 16 MiB, of which the worker keeps 64 MiB and one result, and gRPC what is in the socket.
  ASSERT_TRUE(compute::Eventually([&] { return host_->stats().inputs_done >= 8; }));
  ASSERT_TRUE(caller.ReadHello().has_value());
  EXPECT_LT(host_->stats().inputs_done, 24u);
  for (uint64_t id = 1; id <= 12; ++id) {
    const auto result = caller.ReadResult();
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->chunk_id(), id);
    EXPECT_EQ(result->results().count(), 2u);
    EXPECT_EQ(result->results().data().size(), size_t{16} << 20);
  }
}

TEST_F(ComputeStreamTest, AWorkerThatDrainsFinishesWhatRunsAndGivesBackTheRest) {
  Caller caller(*stub_);
  ASSERT_TRUE(caller.ReadHello().has_value());
  ASSERT_TRUE(caller.Run(MakeRun(1, "sleep", {"100ms"})));
  ASSERT_TRUE(WaitUntilRunning(1, 0));
  ASSERT_TRUE(caller.Run(MakeRun(2, "echo", {"x"})));
  ASSERT_TRUE(compute::Eventually([&] { return host_->stats().chunks == 2; }));
  host_->Drain();
  ASSERT_TRUE(caller.Run(MakeRun(3, "echo", {"y"})));
  std::vector<std::pair<uint64_t, bool>> answers;
  for (int i = 0; i < 3; ++i) {
    const auto result = caller.ReadResult();
    ASSERT_TRUE(result.has_value());
    answers.emplace_back(result->chunk_id(), result->cancelled());
  }
  EXPECT_THAT(answers, ::testing::UnorderedElementsAre(std::pair(1, false), std::pair(2, true),
                                                       std::pair(3, true)));
  host_->End();
  const absl::Status status = caller.Finish();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(rpc::ReasonOf(status), "WORKER_UNAVAILABLE");
  Caller late(*stub_);
  EXPECT_TRUE(absl::IsUnavailable(late.Finish()));
}

TEST_F(ComputeStreamTest, AWorkerWithoutProducersSaysSo) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kStreamLimit);
  const auto reader = stub_->StreamPayloads(&context, v1::StreamPayloadsRequest());
  v1::StreamPayloadsResponse ignored;
  EXPECT_FALSE(reader->Read(&ignored));
  const absl::Status status = rpc::FromGrpc(reader->Finish());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(rpc::ReasonOf(status), "NO_PAYLOADS");
}

TEST(ComputeHostTest, AModuleThatCannotBeUsedStopsTheStart) {
  ComputeHost::Options options;
  options.modules = {"/nowhere/libx.so"};
  const auto host = ComputeHost::Create(kPoolWorker, options, nullptr, RealClock());
  EXPECT_TRUE(absl::IsInvalidArgument(host.status()));
  EXPECT_THAT(std::string(host.status().message()),
              HasSubstr("task module /nowhere/libx.so: cannot be loaded"));
}

}  // namespace
}  // namespace center::worker
