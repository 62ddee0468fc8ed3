// A worker process, put together: journal, ingest, streams, compute, the line to the coordinator,
// and the order in which they come and go. With --no-listen there is neither journal nor ingest.
//
//   Create ─▶ STARTING ─ accepts ─▶ READY ─ signal, Drain, refused by the coordinator ─▶ DRAINING
//   ─▶ stopped
//
// With --lame-duck a signal first leads to LAME DUCK: it says that it is not ready, and accepts
// still, until those who send producers here have heard.
//
// Draining: health says NOT_SERVING, ingest accepts no more and lets connections end, chunks that
// wait are given back and those that run may end, the journal is flushed, streams that have sent
// everything end with UNAVAILABLE, gRPC is shut down. Heartbeats
// go on until the end: they come from the ingest loop's Tick, so a loop that hangs is silent.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/clock.h"
#include "services/common/http/server.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/tls.h"
#include "services/common/scoreboard.h"
#include "services/worker/api/compute_host.h"
#include "services/worker/api/flags.h"
#include "services/worker/api/handover_client.h"
#include "services/worker/api/inherited_fds.h"
#include "services/worker/api/line_check.h"
#include "services/worker/api/registry_client.h"
#include "services/worker/api/reject_feed.h"
#include "services/worker/api/tail_signal.h"
#include "services/worker/api/worker_ops.h"
#include "services/worker/api/worker_service.h"
#include "services/worker/ingest/ingest_server.h"
#include "services/worker/journal/journal.h"

namespace center::worker {

// What the process answers its parent.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,  // could not start, or the journal failed
  kExitUsage = 2,
  kExitUnknown = 3,  // the coordinator does not know this worker
};

// How often Worker::Tick is to be called.
inline constexpr std::chrono::milliseconds kTickInterval{100};

// Made, used and destroyed on the thread that runs the event loop (after it has ended).
class Worker {
 public:
  // The event loop; both may be called on any thread.
  struct Loop {
    asio::io_context& io;
    std::function<void(std::function<void()>)> post;  // runs it on the loop's thread
    std::function<void()> stop;
  };

  // Opens and binds everything, and accepts producers and subscribers when it returns.
  // `token` proves to the coordinator who this process is.
  static absl::StatusOr<std::unique_ptr<Worker>> Create(Flags flags, InheritedFds fds,
                                                        std::string token, Loop loop, Clock& clock);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Call every kTickInterval. Sends a heartbeat when the heartbeat interval is over, or the
  // counters have changed.
  void Tick();
  // Finishes, then stops the loop; `now`: without waiting for open connections. Again with `now`:
  // the same at once.
  void Drain(bool now, absl::string_view why);
  // The same, but accepts producers for --lame-duck first, while it says that it is not ready.
  void EndSoon(absl::string_view why);

  int exit_code() const { return exit_code_; }
  // True after the loop was stopped: a task does not heed its stop token. The process must end
  // without destroying this, which would wait for it.
  bool task_stuck() const { return task_stuck_; }
  uint16_t port() const { return port_; }

 private:
  enum class State { kStarting, kReady, kLameDuck, kDraining, kFinishing };

  Worker(Flags flags, std::string token, Loop loop, Clock& clock);

  void MakeRegistry();
  absl::Status OpenJournal();
  absl::Status StartCompute(const InheritedFds& fds);
  absl::Status StartService();
  absl::Status StartIngest(InheritedFds fds);
  void Register();
  NetAddress AdvertisedAddress() const;
  void SendHeartbeat();

  void OnJournalEvent(const journal::JournalEvent& event);  // any thread
  // As Drain. Our copy of the listening socket is kept: the coordinator that asks has it as well,
  // and a new one may have to take it from here, where this is the only worker.
  void BeginDrain(bool now, absl::string_view why);
  void OnJournalFailed(const absl::Status& status);
  void TellProducers();  // of what the journal has made safe
  void OnUnknown(const absl::Status& status);
  void OnWelcome(const v1::Welcome& welcome);
  void EndWhenOrphaned();
  absl::Status LoadTls();
  bool IsArchive() const { return flags_.archive_idle > absl::ZeroDuration(); }
  // Of an archive: ends it when nobody has read for long enough.
  void EndWhenIdle();
  // Goes on with draining when ingest and compute have nothing left to do, or no time.
  void ContinueDrain();
  bool AwaitsCoordinator(SteadyTime now);
  void FinishDrain();
  v1::Heartbeat MakeHeartbeat() const;
  void AddIngestStats(v1::WorkerStats* stats) const;
  absl::Status StartHttp();
  OpsSnapshot Snapshot() const;
  void SendEvent(v1::Event event);

  const Flags flags_;
  std::shared_ptr<const rpc::Tls> tls_;  // null: TCP is in plain text
  const SteadyDuration heartbeat_interval_;
  const std::string token_;
  const Loop loop_;
  Clock& clock_;
  State state_ = State::kStarting;
  int exit_code_ = kExitOk;
  SteadyTime lame_until_;
  bool hurries_ = false;  // drains without waiting for open connections
  bool journal_failed_ = false;
  bool task_stuck_ = false;
  // While draining.
  bool ingest_drained_ = false;
  bool compute_told_ = false;  // to stop
  SteadyTime compute_deadline_;
  uint16_t port_ = 0;
  SteadyTime last_heartbeat_{};
  SteadyTime last_read_{};  // of an archive: when it had a stream last
  SteadyTime last_reject_tick_{};
  // Of the last heartbeat: what people look for right after they have sent something.
  uint64_t told_end_offset_ = 0;
  uint64_t told_connections_ = 0;
  uint64_t told_inputs_done_ = 0;

  // In the order of dependence: the last is destroyed first.
  std::unique_ptr<RegistryClient>
      registry_;  // null without a coordinator; keeps events from the start
  absl::optional<HandoverClient> handover_;
  bool coordinator_due_ = false;  // one is expected, to take the listening socket
  std::unique_ptr<TailSignal> signal_;
  std::unique_ptr<journal::Journal> journal_;  // null with --no-listen
  std::unique_ptr<Scoreboard> scoreboard_;     // null when none was handed down
  std::unique_ptr<ComputeHost> compute_;
  std::unique_ptr<WorkerService> service_;
  rpc::BoundServer server_;
  std::unique_ptr<RejectFeed> rejects_;
  std::unique_ptr<ingest::IngestServer> ingest_;  // null with --no-listen
  std::vector<journal::Record> records_;          // of the group being appended
  absl::optional<uint64_t> committed_;            // as the coordinator has told
  std::unique_ptr<http::Server> http_;            // null: off; asks the loop
  std::unique_ptr<LineCheck> line_check_;         // null: no coordinator
  std::thread finisher_;
};

}  // namespace center::worker
