// A subscriber that keeps everything it receives, and the oracle that compares two of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "center/v1/payload.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace center::itest {

struct Received {
  uint64_t offset;
  std::string peer;
  std::string payload;
  bool operator==(const Received& other) const {
    return offset == other.offset && peer == other.peer && payload == other.payload;
  }
};
// Worker name to its payloads in the order of arrival.
using Ledger = std::map<std::string, std::vector<Received>>;

uint64_t CountOf(const Ledger& ledger);
// All payloads of all workers, sorted.
std::vector<std::string> SortedPayloads(const Ledger& ledger);

// What is wrong with a ledger in itself: offsets must be dense from the first one on.
std::vector<std::string> CheckDense(const Ledger& ledger);
// What `seen` (by a subscriber) has and `stored` (what is there now) has not, has twice or has in
// another order. Both must be dense.
std::vector<std::string> CheckConserved(const Ledger& seen, const Ledger& stored);
// Payloads "<producer> <sequence>" must come, for each producer, in ascending order without
// repetition. With `consecutive` nothing may be missing between the first and the last.
std::vector<std::string> CheckSequences(const Ledger& ledger, bool consecutive);

v1::StreamPayloadsRequest EarliestRequest(const std::string& server, bool follow);

// Calls PayloadService.StreamPayloads on a thread of its own until it ends or is cancelled.
class Collector {
 public:
  Collector(std::shared_ptr<grpc::Channel> channel, const v1::StreamPayloadsRequest& request);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Waits until at least `count` payloads have come.
  bool WaitCount(uint64_t count, absl::Duration timeout = absl::Seconds(30));
  // Waits for the end of a stream without follow.
  grpc::Status Finish();
  void Cancel();
  bool ended() const;

  uint64_t count() const;
  Ledger ledger() const;
  std::vector<v1::Gap> gaps() const;
  // Where the stream is, from batches and progress.
  v1::Cursor cursor() const;

 private:
  void Run();
  void Take(const v1::StreamPayloadsResponse& response) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<grpc::Channel> channel_;
  const v1::StreamPayloadsRequest request_;
  grpc::ClientContext context_;
  mutable absl::Mutex mutex_;
  Ledger ledger_ ABSL_GUARDED_BY(mutex_);
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::Gap> gaps_ ABSL_GUARDED_BY(mutex_);
  v1::Cursor cursor_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// Everything that is stored now.
Ledger ReadAll(const std::shared_ptr<grpc::Channel>& channel, const std::string& server);

}  // namespace center::itest
