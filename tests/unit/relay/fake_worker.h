// A worker's WorkerService with a journal in memory and a switch for everything that can go wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "center/v1/worker.grpc.pb.h"
#include "services/common/rpc/server.h"

namespace center::relay {

// How long a test waits for a condition before it fails.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

class FakeWorker final : public v1::WorkerService::CallbackService {
 public:
  struct Options {
    size_t payloads_per_batch = 4;
    size_t batches_per_message = 2;
  };
  FakeWorker(std::string name, std::string folder, Options options);
  FakeWorker(std::string name, std::string folder)
      : FakeWorker(std::move(name), std::move(folder), Options{}) {}
  ~FakeWorker() override;

  // The process: starts serving; dies at once, breaking every call. The journal stays.
  void Up();
  void Die();
  std::string address() const;
  const std::string& name() const { return name_; }

  // Adds payloads "<name>#<offset>", filled up with dots to `bytes`.
  void Append(size_t count, size_t bytes = 0);
  void AppendPayload(std::string payload);
  // Offsets below are gone: whoever asks for them gets a gap first.
  void Forget(uint64_t before);

  // Every call from now on fails at once with `status` (ok: no more).
  void Refuse(absl::Status status);
  // The next call ends with `status` after this many messages, once.
  void BreakNextAfter(size_t messages, absl::Status status);
  // Calls that follow end with OK when they have sent everything.
  void Finish();

  size_t live_calls() const;
  uint64_t bytes_written() const;
  std::vector<v1::StreamPayloadsRequest> requests() const;
  // Waits until so many calls are open. False after kPatience.
  bool WaitForCalls(size_t count) const;
  // Waits until so many bytes have been written. False after kPatience.
  bool WaitForBytesWritten(uint64_t bytes) const;

 private:
  class Call;

  grpc::ServerWriteReactor<v1::StreamPayloadsResponse>* StreamPayloads(
      grpc::CallbackServerContext* context, const v1::StreamPayloadsRequest* request) override;
  uint64_t StartOf(const v1::StreamPayloadsRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::set<Call*> TakeWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  struct Stored {
    std::string payload;
    int64_t time_ns;
  };

  const std::string name_;
  const std::string folder_;
  const Options options_;
  std::unique_ptr<grpc::Server> server_;

  mutable absl::Mutex mutex_;
  std::vector<Stored> journal_ ABSL_GUARDED_BY(mutex_);
  uint64_t first_offset_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<Call*> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  absl::optional<size_t> break_after_ ABSL_GUARDED_BY(mutex_);
  absl::Status break_status_ ABSL_GUARDED_BY(mutex_);
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  size_t live_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_written_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::StreamPayloadsRequest> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace center::relay
