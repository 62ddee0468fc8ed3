// A worker's end of WorkerService.Compute, in the test's process: runs tasks that are functions of
// the test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/worker.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/common/rpc/server.h"

namespace center::coordinator {

class FakeCompute final : public v1::WorkerService::Service {
 public:
  // The result of an input, or (false) that it failed with this message.
  using Task = std::function<std::pair<bool, std::string>(const std::string& input)>;
  // Looks at a chunk before it is run; false: the stream breaks, as when the worker dies.
  using Gate = std::function<bool(const v1::RunChunk&)>;

  explicit FakeCompute(const std::string& socket) : address_("unix:" + socket) {
    tasks_["echo"] = [](const std::string& input) { return std::pair(true, input); };
    tasks_["fail"] = [](const std::string& input) { return std::pair(false, "no " + input); };
    auto bound =
        rpc::StartServer({.addresses = {{.is_unix = true, .path = socket}}, .services = {this}});
    EXPECT_TRUE(bound.ok()) << bound.status();
    if (bound.ok()) server_ = std::move(bound->server);
  }
  ~FakeCompute() override { Die(); }

  const std::string& address() const { return address_; }
  void SetGate(Gate gate) {
    absl::MutexLock lock(&mutex_);
    gate_ = std::move(gate);
  }
  // Keeps the chunks of this task that come from now on until they are cancelled.
  void Hold(const std::string& task) {
    absl::MutexLock lock(&mutex_);
    held_ = task;
  }
  // The same, from within a gate.
  void HoldLocked(const std::string& task) ABSL_NO_THREAD_SAFETY_ANALYSIS { held_ = task; }
  // What comes from now on is run.
  void Release() {
    absl::MutexLock lock(&mutex_);
    held_.clear();
  }
  // All lines break, and nobody answers any more.
  void Die() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    server_.reset();
  }
  uint64_t inputs_run() const {
    absl::MutexLock lock(&mutex_);
    return inputs_run_;
  }
  uint64_t chunks_run() const {
    absl::MutexLock lock(&mutex_);
    return chunks_run_;
  }

  grpc::Status Compute(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::ComputeResponse, v1::ComputeRequest>* stream) override {
    v1::ComputeResponse hello;
    for (const auto& [name, task] : tasks_) hello.mutable_hello()->add_tasks()->set_name(name);
    hello.mutable_hello()->set_threads(1);
    stream->Write(hello);
    v1::ComputeRequest request;
    std::map<uint64_t, v1::RunChunk> waiting;
    while (stream->Read(&request)) {
      if (request.has_cancel()) {
        if (waiting.erase(request.cancel().chunk_id()) == 0) continue;
        v1::ComputeResponse response;
        response.mutable_result()->set_chunk_id(request.cancel().chunk_id());
        response.mutable_result()->set_cancelled(true);
        stream->Write(response);
        continue;
      }
      {
        absl::MutexLock lock(&mutex_);
        if (request.run().task() == held_) {
          waiting[request.run().chunk_id()] = request.run();
          continue;
        }
        if (gate_ != nullptr && !gate_(request.run())) {
          return grpc::Status(grpc::StatusCode::UNAVAILABLE, "died");
        }
      }
      stream->Write(Run(request.run()));
    }
    return grpc::Status::OK;
  }

 private:
  v1::ComputeResponse Run(const v1::RunChunk& chunk) {
    v1::ComputeResponse response;
    v1::ChunkResult& result = *response.mutable_result();
    result.set_chunk_id(chunk.chunk_id());
    std::vector<std::string> inputs;
    if (chunk.inputs().has_range()) {
      for (uint64_t i = 0; i < chunk.inputs().range().count(); ++i) {
        inputs.push_back(absl::StrCat(chunk.inputs().range().first() + static_cast<int64_t>(i)));
      }
    } else {
      const v1::Records& records = chunk.inputs().records();
      size_t at = 0;
      for (uint64_t i = 0; i < records.count(); ++i, at += records.uniform_size()) {
        inputs.push_back(records.data().substr(at, records.uniform_size()));
      }
      for (const uint32_t size : records.sizes()) {
        inputs.push_back(records.data().substr(at, size));
        at += size;
      }
    }
    const auto task = tasks_.find(chunk.task());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto [ok, text] = task->second(inputs[i]);
      result.mutable_results()->add_sizes(ok ? static_cast<uint32_t>(text.size()) : 0);
      if (ok) {
        result.mutable_results()->mutable_data()->append(text);
        continue;
      }
      v1::InputFailure& failure = *result.add_failures();
      failure.set_index(chunk.first_index() + i);
      failure.set_cause(v1::InputFailure::CAUSE_TASK_ERROR);
      failure.set_message(text);
    }
    result.mutable_task_time()->set_nanos(static_cast<int32_t>(1 + 1000 * inputs.size()));
    absl::MutexLock lock(&mutex_);
    inputs_run_ += inputs.size();
    ++chunks_run_;
    return response;
  }

  const std::string address_;
  std::map<std::string, Task> tasks_;
  std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mutex_;
  Gate gate_ ABSL_GUARDED_BY(mutex_);
  std::string held_ ABSL_GUARDED_BY(mutex_);
  uint64_t inputs_run_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t chunks_run_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace center::coordinator
