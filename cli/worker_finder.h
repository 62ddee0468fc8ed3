// Where a server's workers are, as its coordinator knows it: for those who read from them directly.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "center/v1/server.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/relay/worker_directory.h"

namespace center::cli {

// Asks the coordinator, and writes what it says into a directory. One thread; Cancel on any.
//
// Workers that were scaled away have no process, only a journal, which only the coordinator can
// have read: they stand in the directory as archived, at the coordinator's own address.
class WorkerFinder {
 public:
  struct Options {
    std::shared_ptr<grpc::Channel> coordinator;
    std::string address;  // the coordinator's
    std::string server;
    // Whether payloads from before now are wanted, and so those of workers that are gone.
    bool wants_the_past = false;
    std::vector<std::string> known;  // workers of the reader's cursor
  };

  WorkerFinder(Options options, relay::WorkerDirectory* directory)
      : options_(std::move(options)), directory_(directory) {}

  // Asks once. Errors: what the coordinator says; FailedPrecondition (WORKER_UNREACHABLE) for
  // workers that serve on a unix socket of another machine, or of another user.
  absl::Status Find();
  // Ends a Find that is under way, and all later ones.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Process {
    int32_t pid = 0;
    std::string address;
    uint64_t generation = 0;
  };

  absl::StatusOr<v1::Server> Ask();
  relay::WorkerEndpoint EndpointOf(const v1::Worker& worker);
  absl::Status CheckReachable(const relay::WorkerEndpoint& endpoint) const;
  // Adds to archived_ whose journals the coordinator still has.
  void FindArchived(const v1::Server& server);
  bool IsArchived(const std::string& worker);
  // Makes `call` the one that Cancel cancels; false: it was called already.
  bool Begin(grpc::ClientContext* call) ABSL_LOCKS_EXCLUDED(mutex_);
  void End() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  relay::WorkerDirectory* const directory_;
  std::map<std::string, Process> processes_;
  std::set<std::string> archived_;
  uint32_t workers_ = 0;  // when archived workers were looked for
  bool found_ = false;    // Find has succeeded

  absl::Mutex mutex_;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace center::cli
