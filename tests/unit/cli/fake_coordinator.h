// A coordinator with payloads, servers and events in memory, and a switch for what can go wrong.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/client.grpc.pb.h"
#include "center/v1/event.grpc.pb.h"
#include "center/v1/payload.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "tests/unit/cli/fake_jobs.h"

namespace center::cli {

// PayloadService over journals of short payloads. Thread-safe.
class FakePayloads final : public v1::PayloadService::Service {
 public:
  static constexpr size_t kPayloadsPerBatch = 4;

  // Adds payloads "<worker>#<offset>".
  void Append(const std::string& worker, size_t count);
  void AppendPayload(const std::string& worker, std::string payload);
  // Offsets below are gone: who asks for them gets a gap first.
  void Forget(const std::string& worker, uint64_t before,
              v1::Gap::Reason reason = v1::Gap::REASON_RETENTION);
  // The next call that was not yet told otherwise ends with `status` after this many messages.
  void EndNextAfter(size_t messages, absl::Status status);
  // Streams begin at the start of the batch that holds the wanted offset, as a journal may.
  void BeginAtBatches();
  // What CommitCursor answers from now on.
  void RefuseCommits(absl::Status status);

  std::vector<v1::StreamPayloadsRequest> requests() const;
  std::vector<v1::CommitCursorRequest> commits() const;

 private:
  struct Worker {
    std::vector<std::string> payloads;
    uint64_t first_offset = 0;
    v1::Gap::Reason why = v1::Gap::REASON_RETENTION;  // what is before it is gone
  };
  struct Position {
    uint64_t next = 0;
    bool told = false;  // that nothing more is there
  };
  using Positions = std::map<std::string, Position>;

  grpc::Status StreamPayloads(grpc::ServerContext* context,
                              const v1::StreamPayloadsRequest* request,
                              grpc::ServerWriter<v1::StreamPayloadsResponse>* writer) override;
  grpc::Status CommitCursor(grpc::ServerContext* context, const v1::CommitCursorRequest* request,
                            v1::CommitCursorResponse* response) override;
  uint64_t StartOf(const std::string& name, const Worker& worker,
                   const v1::StreamPayloadsRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the next message; false when there is nothing to say.
  bool Fill(const v1::StreamPayloadsRequest& request, Positions* positions,
            v1::StreamPayloadsResponse* response) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<std::string, Worker> workers_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<size_t, absl::Status>> ends_ ABSL_GUARDED_BY(mutex_);
  bool begin_at_batches_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status commit_status_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::StreamPayloadsRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::CommitCursorRequest> commits_ ABSL_GUARDED_BY(mutex_);
};

// ServerService with canned answers. Set it up before the calls.
class FakeServers final : public v1::ServerService::Service {
 public:
  std::vector<v1::Server> servers;  // listed one a page
  absl::Status failure;             // of every call, unless ok
  bool hangs = false;               // until the caller gives up
  v1::StartServerRequest started;   // the last one
  v1::StopServerRequest stopped;    // the last one
  v1::RestartServerRequest restarted;
  v1::ScaleServerRequest scaled;
  v1::RestartWorkerRequest worker_restarted;
  std::vector<v1::UpdateServerRequest> updates;  // all
  std::vector<v1::SettingChange> changes;        // what UpdateServer answers
  absl::Status change_failure;                   // of the calls that change, but for dry runs

 private:
  grpc::Status Answer(grpc::ServerContext* context) const;
  grpc::Status GetServer(grpc::ServerContext* context, const v1::GetServerRequest* request,
                         v1::GetServerResponse* response) override;
  grpc::Status ListServers(grpc::ServerContext* context, const v1::ListServersRequest* request,
                           v1::ListServersResponse* response) override;
  grpc::Status ListWorkers(grpc::ServerContext* context, const v1::ListWorkersRequest* request,
                           v1::ListWorkersResponse* response) override;
  grpc::Status GetWorkerStacks(grpc::ServerContext* context,
                               const v1::GetWorkerStacksRequest* request,
                               v1::GetWorkerStacksResponse* response) override;
  grpc::Status StartServer(grpc::ServerContext* context, const v1::StartServerRequest* request,
                           v1::StartServerResponse* response) override;
  grpc::Status StopServer(grpc::ServerContext* context, const v1::StopServerRequest* request,
                          v1::StopServerResponse* response) override;
  grpc::Status RestartServer(grpc::ServerContext* context, const v1::RestartServerRequest* request,
                             v1::RestartServerResponse* response) override;
  grpc::Status ScaleServer(grpc::ServerContext* context, const v1::ScaleServerRequest* request,
                           v1::ScaleServerResponse* response) override;
  grpc::Status UpdateServer(grpc::ServerContext* context, const v1::UpdateServerRequest* request,
                            v1::UpdateServerResponse* response) override;
  grpc::Status RestartWorker(grpc::ServerContext* context, const v1::RestartWorkerRequest* request,
                             v1::RestartWorkerResponse* response) override;
  grpc::Status GetCoordinator(grpc::ServerContext* context,
                              const v1::GetCoordinatorRequest* request,
                              v1::GetCoordinatorResponse* response) override;
};

// EventService over a list. Set it up before the calls.
class FakeEvents final : public v1::EventService::Service {
 public:
  std::vector<v1::Event> events;
  bool history_gone = false;

 private:
  grpc::Status WatchEvents(grpc::ServerContext* context, const v1::WatchEventsRequest* request,
                           grpc::ServerWriter<v1::WatchEventsResponse>* writer) override;
};

// ClientService with canned answers. Set it up before the calls.
class FakeClients final : public v1::ClientService::Service {
 public:
  std::vector<v1::Client> clients;  // listed one a page
  absl::Status failure;             // of start and stop, unless ok
  v1::StartClientRequest started;   // the last one
  v1::StopClientRequest stopped;    // the last one

 private:
  grpc::Status StartClient(grpc::ServerContext* context, const v1::StartClientRequest* request,
                           v1::StartClientResponse* response) override;
  grpc::Status StopClient(grpc::ServerContext* context, const v1::StopClientRequest* request,
                          v1::StopClientResponse* response) override;
  grpc::Status GetClient(grpc::ServerContext* context, const v1::GetClientRequest* request,
                         v1::GetClientResponse* response) override;
  grpc::Status ListClients(grpc::ServerContext* context, const v1::ListClientsRequest* request,
                           v1::ListClientsResponse* response) override;
};

class FakeCoordinator {
 public:
  // Serves on a unix socket in `folder`.
  explicit FakeCoordinator(const std::string& folder);
  ~FakeCoordinator() { Down(); }

  void Up();
  // Ends at once, breaking every call. What it knows stays.
  void Down();
  const std::string& address() const { return address_; }
  std::shared_ptr<grpc::Channel> Channel() const;

  FakePayloads payloads;
  FakeServers servers;
  FakeEvents events;
  FakeJobs jobs;
  FakeClients clients;

 private:
  const std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace center::cli
