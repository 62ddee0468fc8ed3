// A coordinator with its workers, started from build/bin in a folder of its own, and the stubs to
// speak with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "center/v1/event.grpc.pb.h"
#include "center/v1/payload.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/integration/process.h"

namespace center::itest {

// Where the programs are.
std::string Binary(absl::string_view name);

// The coordinator and what it starts. Destroyed: everything is killed; what a sanitizer reported
// fails the test; when the test has failed its logs are shown.
class Fleet {
 public:
  struct Options {
    std::string data_dir;                 // empty: in the fleet's own folder
    std::vector<std::string> extra_args;  // for center-coordinator
    std::string http = "off";             // --http
  };
  Fleet() : Fleet(Options()) {}
  explicit Fleet(Options options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Starts the coordinator (again) and waits until it answers.
  void Start();
  // SIGTERM, and waits until it has ended.
  void Stop();
  // SIGKILL to the coordinator alone.
  void KillCoordinator();

  const TempDir& dir() const { return dir_; }
  const std::string& data_dir() const { return data_dir_; }
  std::string address() const;
  std::shared_ptr<grpc::Channel> channel() const { return channel_; }
  // A connection of its own, for many subscribers at once.
  std::shared_ptr<grpc::Channel> NewChannel() const;

  absl::StatusOr<v1::Server> StartServer(const std::string& name, v1::ServerSpec spec);
  absl::StatusOr<v1::Server> StopServer(const std::string& name, bool now = true);
  absl::StatusOr<v1::Server> GetServer(const std::string& name);
  // StartServer on a kernel-chosen port that must succeed; answers the port.
  uint16_t MustStart(const std::string& name, v1::ServerSpec spec = {});

  // Waits until every worker of the server is READY (with another pid than `not_pid`).
  bool WaitReady(const std::string& name, pid_t not_pid = 0);
  pid_t WorkerPid(const std::string& name, uint32_t slot);
  // The sum of end_offset - first_offset over the workers, as of the last heartbeats.
  uint64_t StoredPayloads(const std::string& name);
  bool WaitStored(const std::string& name, uint64_t count,
                  absl::Duration timeout = absl::Seconds(30));
  // The first event of this type about the subject, once there is one.
  absl::StatusOr<v1::Event> WaitEvent(v1::EventType type, const std::string& subject,
                                      absl::Duration timeout = absl::Seconds(20));

  // centerctl against this coordinator.
  RunResult Ctl(std::vector<std::string> args, absl::string_view input = "",
                absl::Duration timeout = absl::Seconds(60));

 private:
  TempDir dir_;
  std::string data_dir_;
  std::vector<std::string> extra_args_;
  std::string http_;
  std::unique_ptr<Process> coordinator_;
  std::shared_ptr<grpc::Channel> channel_;
};

// Default settings of a server under test: a kernel-chosen port, small segments.
v1::ServerSpec SmallSpec(uint32_t workers = 1, v1::Framing framing = v1::FRAMING_LINE);

}  // namespace center::itest
