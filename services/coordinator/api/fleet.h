// The fleet: every server as it is wanted (the store) and as it is (listening socket, workers).
//
// It owns the listening sockets and the supervisor, writes desired state before it acts, and tells
// the worker directory where payloads can be read. It knows no gRPC: a worker's line is an
// interface, answers are callbacks.
//
// A server:
//
//     STOPPED ──start──▶ BINDING ──bound, stored──▶ SUPERVISED ──stop──▶ STOPPING ──▶ STOPPED
//        ▲                  │ refused                     ▲
//        └──────────────────┘                             │
//     (a new coordinator) ──▶ BINDING ──▶ BROKEN, or, where workers live: SUPERVISED, held
//
// Held: workers of an earlier coordinator have been adopted, and the listening socket has not come
// back from them yet, so that nothing can be launched (fleet_reconcile.cc).
//
// Lifecycle: construct, Reconcile once, then requests; Shutdown ends the workers and leaves desired
// state as it is. Everything happens on the control thread; nothing here blocks, but for short
// writes to the store.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "center/v1/server.pb.h"
#include "center/v1/worker.pb.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/flight_recorder.h"
#include "services/common/handover.h"
#include "services/coordinator/api/archive_readers.h"
#include "services/coordinator/api/call_deadlines.h"
#include "services/coordinator/api/event_log.h"
#include "services/coordinator/api/fleet_figures.h"
#include "services/coordinator/api/fleet_observer.h"
#include "services/coordinator/api/launch.h"
#include "services/coordinator/api/request_log.h"
#include "services/coordinator/api/spec_changes.h"
#include "services/coordinator/relay/worker_directory.h"
#include "services/coordinator/state/store.h"
#include "services/coordinator/supervision/stacks.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::coordinator {

inline constexpr size_t kServersMax = 1000;
inline constexpr uint32_t kPageSizeDefault = 100;
inline constexpr uint32_t kPageSizeMax = 1000;
// How long an adopted server waits for its listening socket before its port is bound anew.
inline constexpr SteadyDuration kHandoverTimeout = std::chrono::seconds(10);

// A registered worker's open line. Called on the control thread; never blocks; a line that has
// broken swallows what it is told.
class WorkerLine {
 public:
  virtual ~WorkerLine() = default;
  // `handover_address`: where it must bring what it keeps for us; "": nowhere.
  virtual void SendWelcome(const std::string& handover_address) = 0;
  virtual void SendDrain(bool now) = 0;
  virtual void SendCommitted(absl::optional<uint64_t> offset) = 0;
  virtual void Close(const absl::Status& status) = 0;
};

// Where a server takes payloads.
struct ServerTarget {
  std::string address;  // "127.0.0.1:5000"
  v1::Framing framing = v1::FRAMING_LINE;
  bool running = false;   // or about to
  bool stopping = false;  // or stopped, because somebody wants it so
  uint64_t drains = 0;    // how often its workers have begun to drain
};

class Fleet final : public supervision::Observer {
 public:
  using Listened = std::function<void(absl::StatusOr<ScopedFd>)>;
  struct Dependencies {
    supervision::ProcessLauncher* launcher;
    Clock* clock;
    state::Store* store;
    relay::WorkerDirectory* directory;
    EventLog* events;
    // Runs it on the control thread, later.
    std::function<void(std::function<void()>)> post;
    // Calls OnTimer at this time at the latest.
    std::function<void(SteadyTime)> arm_timer;
    // Binds a listening socket; answers on the control thread, now or later.
    std::function<void(const std::string& host, uint16_t port, Listened)> listen;
    // A pidfd of the recorded process; not valid when it is gone.
    std::function<ScopedFd(const state::ProcessRecord&)> open_process;
    // Asks a process of an earlier coordinator to end, by force after `grace`, and calls back on
    // the control thread when it has. False when it lives no more.
    std::function<bool(const state::ProcessRecord&, absl::Duration grace,
                       std::function<void()> ended)>
        end_process;
    // Whether a server has a worker that serves, whenever that changes. Empty: nobody asks.
    std::function<void(const std::string& server, bool serving)> set_health = nullptr;
    // About a process that has just been found killed by SIGKILL. Empty: nobody can tell.
    std::function<supervision::OomVerdict()> judge_oom = nullptr;
    // Takes the stacks of a process; answers later, on the control thread. Empty: nobody can.
    std::function<void(int64_t pid,
                       std::function<void(absl::StatusOr<supervision::ProcessStacks>)>)>
        take_stacks = nullptr;
    // What a chunk of a job and an input of it are called: "job j7 countdown, input 4711". Empty:
    // by their numbers.
    std::function<std::string(const std::string& worker, uint64_t chunk, uint64_t input)>
        describe_running = nullptr;
    // Uses the workers; may be null.
    FleetObserver* observer = nullptr;
    // Makes what the workers are behind. Empty: they are processes of this machine.
    std::function<std::unique_ptr<supervision::Backend>(supervision::Observer&)> make_backend =
        nullptr;
  };

  Fleet(Dependencies dependencies, LaunchContext launch);
  ~Fleet() override;

  // Where workers find us.
  struct Addresses {
    std::string coordinator;  // RegistryService
    std::string handover;     // what workers of an earlier coordinator must bring
  };
  // Takes up what the store says: adopts the workers that an earlier coordinator left, starts the
  // servers that should run and have none. A server that cannot be started is FAILED, the others go
  // on.
  absl::Status Reconcile(const Addresses& addresses);

  // Requests, as ServerService documents them. `deadline`: when to give up waiting (of StartServer:
  // with wait_ready); what was begun goes on.
  void StartServer(const v1::StartServerRequest& request, SteadyTime deadline, ServerAnswer answer);
  void StopServer(const v1::StopServerRequest& request, ServerAnswer answer);
  void RestartServer(const v1::RestartServerRequest& request, SteadyTime deadline,
                     Answer<v1::RestartServerResponse> answer);
  void ScaleServer(const v1::ScaleServerRequest& request, SteadyTime deadline,
                   Answer<v1::ScaleServerResponse> answer);
  void UpdateServer(const v1::UpdateServerRequest& request, SteadyTime deadline,
                    Answer<v1::UpdateServerResponse> answer);
  void RestartWorker(const v1::RestartWorkerRequest& request, SteadyTime deadline,
                     Answer<v1::RestartWorkerResponse> answer);
  absl::StatusOr<v1::Server> GetServer(const std::string& name) const;
  // Errors: NotFound (SERVER_NOT_FOUND), FailedPrecondition (SERVER_NOT_LISTENING).
  absl::StatusOr<ServerTarget> FindTarget(const std::string& name) const;
  absl::StatusOr<v1::ListServersResponse> ListServers(const v1::ListServersRequest& request) const;
  absl::StatusOr<v1::ListWorkersResponse> ListWorkers(const v1::ListWorkersRequest& request) const;
  void GetWorkerStacks(
      const std::string& name,
      std::function<void(absl::StatusOr<v1::GetWorkerStacksResponse>)> answer) const;
  void CountInto(v1::Coordinator* coordinator) const;
  FleetFigures Figures() const;

  // Workers' lines. A worker that Register refuses must end.
  absl::Status Register(const v1::Hello& hello, std::shared_ptr<WorkerLine> line);
  void OnHeartbeat(const std::string& worker, const WorkerLine* line,
                   const v1::Heartbeat& heartbeat);
  void OnWorkerEvent(const std::string& worker, const WorkerLine* line, const v1::Event& event);
  void OnLineClosed(const std::string& worker, const WorkerLine* line);
  // What a worker of an earlier coordinator has kept. `pid` is the process that brings it.
  absl::Status TakeHandover(Handover handover, int64_t pid);
  // Somebody wants to read what slots of this server have journalled that were scaled away.
  void OnArchiveWanted(const std::string& server);
  // A subscription of this server has moved: tells its workers what they must keep.
  void OnCommitted(const std::string& server);

  // What the compute threads of a worker are at, where that can be seen: chunk and input.
  std::vector<RunningTask> RunningTasks(const std::string& worker);
  // Ends the process of a worker whose task cannot be stopped otherwise; nothing when the worker
  // has another process now.
  void KillForTask(const std::string& worker, int64_t pid, const std::string& reason);

  // Does what is due; returns when to be called next (SteadyTime::max(): not by itself).
  SteadyTime OnTimer();

  // Drains all workers (at once with `now`; may be called again with it) and calls `done` when
  // none is left. Desired state stays. Requests are refused from now on.
  void Shutdown(bool now, std::function<void()> done);
  // Hangs up on all workers, which go on and wait for the next coordinator. Requests are refused
  // from now on.
  void Leave();
  // Of workers that are launched from now on.
  void SetLogLevel(const std::string& level) { launch_.log_level = level; }

  // supervision::Observer
  void OnSlotChanged(absl::string_view server, const supervision::SlotView& slot) override;
  void OnServerStopped(absl::string_view server) override;
  void OnEvent(const supervision::SupervisionEvent& event) override;
  void RequestDrain(absl::string_view worker, bool now) override;
  void OnOutside(const std::map<std::string, supervision::OutsideServer>& servers) override;

 private:
  enum class Run { kStopped, kBinding, kSupervised, kStopping, kBroken };

  struct Seat {                        // one worker slot
    std::shared_ptr<WorkerLine> line;  // null: not registered
    std::string address;               // of the registered process; "" when there is none
    uint64_t generation = 0;           // counts processes
    int64_t pid = 0;                   // the process in the store
    bool adopted = false;              // it was launched by an earlier coordinator
    bool handed_over = false;          // and has brought what it kept
    bool draining = false;             // and is counted as such
    v1::WorkerStats stats;
    absl::optional<uint64_t> committed_offset;  // as the worker was told; absent: no subscription
  };
  struct StartWaiter {
    SteadyTime deadline;
    ServerAnswer answer;
  };
  using Done = std::function<void(const absl::Status&)>;
  struct ScaleWaiter {
    uint32_t first_new;  // slots from this one on must be ready
    Done done;
  };
  struct Entry {
    state::ServerRecord record;
    v1::ServerSpec spec;  // as asked for: port may be 0
    Run run = Run::kStopped;
    std::string detail;
    absl::optional<bool> healthy;  // as deps_.set_health was told last
    ScopedFd listener;
    ScopedFd scoreboard;
    std::map<uint32_t, Seat> seats;
    uint64_t drains = 0;  // how often one of them has begun to
    bool held = false;
    bool rebinding = false;                         // held: the port is being bound anew
    SteadyTime held_until;                          // held: then it is tried at the latest
    std::string failure;                            // why it is BROKEN once it has stopped
    std::vector<supervision::AdoptedProcess> lost;  // died before us; said when it starts
    std::set<uint32_t> journals;                    // slots whose journals were there at the start
    std::vector<StartWaiter> start_waiters;
    std::vector<ScaleWaiter> scale_waiters;
    std::vector<std::function<void()>> stop_waiters;
  };
  struct Found {
    Entry* entry;
    Seat* seat;
    std::string server;
    uint32_t slot;
  };

  // fleet.cc: starting and stopping.
  void StartChecked(const v1::StartServerRequest& request, SteadyTime deadline,
                    ServerAnswer answer);
  absl::StatusOr<v1::ServerSpec> CheckStart(const v1::StartServerRequest& request,
                                            const std::string& name) const;
  // As deps_.listen; with an invalid descriptor for a server that takes no connections.
  void Listen(const v1::ServerSpec& spec, uint32_t port, Listened done);
  // The server that listens on this port; "" when none does.
  std::string HolderOf(uint32_t port) const;
  void Bind(const std::string& name, const v1::ServerSpec& spec, uint32_t port,
            std::function<void(absl::Status)> done);
  absl::Status Launch(const std::string& name, v1::ServerSpec spec, ScopedFd listener);
  supervision::ServerPlan PlanOf(const Entry& entry);
  absl::Status Supervise(Entry& entry);
  void StopChecked(const v1::StopServerRequest& request, ServerAnswer answer);
  void StopNow(const v1::StopServerRequest& request, ServerAnswer answer);
  void CloseListener(Entry& entry);
  void BeginStop(Entry& entry, bool now);
  void FinishStop(Entry& entry);

  // fleet_outside.cc: servers that are kept outside of Center, where others change them as well.
  std::unique_ptr<supervision::Backend> MakeBackend();
  // How many workers there shall be, said where that is kept; done at once where we keep it.
  void SetWorkers(const std::string& name, uint32_t workers, Done done);
  absl::Status CheckOutside(const v1::ServerSpec& changes, const std::string& name) const;
  void FollowOutside(Entry& entry);
  // Servers are kept outside, and what there is has not been told yet.
  bool NotTold() const { return !supervisor_.Launches() && !outside_known_; }
  absl::Status StoreOutside(Entry& entry, uint32_t workers);

  // fleet_deaths.cc
  supervision::Evidence Examine(const Entry& entry, uint32_t slot,
                                const supervision::ProcessExit& exit) const;
  std::vector<std::string> Running(const std::string& worker, const FlightRecorder& recorder) const;
  supervision::SupervisorOptions SupervisorSettings();

  // fleet_roll.cc, fleet_scale.cc, fleet_update.cc: changes to servers that run.
  absl::StatusOr<Entry*> FindRunning(const std::string& name);
  void RestartWorkerChecked(const v1::RestartWorkerRequest& request,
                            Answer<v1::RestartWorkerResponse> answer);
  // Replaces processes; answers with their number when all are done.
  void Roll(const std::string& name, supervision::RollOptions options, Answer<uint32_t> answer);
  absl::StatusOr<uint32_t> RollAnswer(const std::string& name,
                                      const supervision::RollResult& result);
  // Binds the listening socket again when it was given up because nobody was left to accept.
  void WithListener(const std::string& name, Done done);
  std::string RollGoesOn(const std::string& name, absl::string_view what) const;
  void ScaleChecked(const v1::ScaleServerRequest& request, Answer<v1::ScaleServerResponse> answer);
  // Stores and does it; `done` when the new slots are ready and the old ones gone.
  void Scale(const std::string& name, uint32_t workers, bool now, Done done);
  void ScaleNow(const std::string& name, uint32_t workers, bool now, const Done& done);
  void AnswerScaleWaiters(Entry& entry);
  void UpdateChecked(const v1::UpdateServerRequest& request,
                     const Answer<v1::UpdateServerResponse>& answer);
  absl::Status StoreUpdate(Entry& entry, const SpecUpdate& update);
  void CarryOut(const std::string& name, const SpecUpdate& update, bool roll,
                Answer<uint32_t> answer);

  // fleet_archive.cc: slots that were scaled away, and their journals.
  ArchiveReaders::Dependencies ArchiveDependencies();
  std::set<uint32_t> ArchivedSlots(const Entry& entry) const;
  relay::WorkerEndpoint EndpointOf(const Entry& entry, uint32_t slot) const;
  bool RegisterReader(const v1::Hello& hello);

  // fleet_reconcile.cc
  using Left = std::map<std::string, std::vector<supervision::AdoptedProcess>>;
  absl::Status LoadServers();
  absl::StatusOr<Left> FindProcesses();
  void ForgetProcess(v1::EventType how, const std::string& worker, int64_t pid,
                     absl::string_view reason);
  void EndUnwanted(const state::ProcessRecord& process, absl::Duration grace);
  void TakeUp(Entry& entry, std::vector<supervision::AdoptedProcess> left);
  void Adopt(Entry& entry, std::vector<supervision::AdoptedProcess> left);
  void Restart(const std::string& name);
  absl::Status CheckListener(const Entry& entry, const Handover& handover) const;
  void CheckHeld(Entry& entry);
  void Rebind(Entry& entry);
  void OnRebound(Entry& entry, absl::StatusOr<ScopedFd> listener);
  void Release(Entry& entry, ScopedFd listener, ScopedFd scoreboard);

  // fleet_workers.cc: what workers and the supervisor tell.
  absl::optional<Found> Find(absl::string_view worker);
  void RecordProcess(const std::string& server, const supervision::SlotView& slot, Seat& seat);
  void SendCommitted(const Found& found);
  void ScheduleSettle();
  void Settle();
  void SettleServer(Entry& entry);
  void AnswerStartWaiters(Entry& entry);
  void Publish(const Entry& entry);
  void TellHealth(Entry& entry);
  void TellObserver(const Entry& entry, bool running) const;

  // fleet_view.cc
  v1::Server View(const Entry& entry) const;
  v1::ServerState StateOf(const Entry& entry) const;
  std::string DetailOf(const Entry& entry) const;
  v1::Worker ViewWorker(const Entry& entry, const supervision::SlotView& slot) const;
  // No slot has a process or will have one by itself.
  bool NobodyLeft(const Entry& entry) const;
  absl::Status StartFailed(const Entry& entry) const;
  // The last words of a slot's process that has died, for a message; "" when there are none.
  std::string LastWords(const Entry& entry, absl::optional<uint32_t> slot) const;
  void AddEvent(v1::EventType type, absl::string_view subject, absl::string_view reason,
                const std::map<std::string, std::string>& details = {});

  const Dependencies deps_;
  LaunchContext launch_;
  const std::unique_ptr<supervision::Backend> backend_;
  supervision::Backend& supervisor_;
  RequestLog requests_;
  CallDeadlines deadlines_;
  ArchiveReaders archive_;
  std::map<std::string, Entry> servers_;
  // Of a backend with servers outside, as it tells and as we have changed it.
  std::map<std::string, supervision::OutsideServer> outside_;
  bool outside_known_ = false;
  std::set<std::string> setting_;  // servers of which SetWorkers is under way
  std::set<std::string> dirty_;    // to be settled
  std::set<std::string> stopped_;  // their last worker has ended
  DeathCounts deaths_;
  bool settle_posted_ = false;
  bool shutting_down_ = false;
  std::function<void()> shutdown_done_;
};

// Errors about a server that several files give.
// `trouble`: why it may be there all the same.
absl::Status ServerNotFound(absl::string_view name, absl::string_view trouble = "");
absl::Status ServerStopped(absl::string_view name);
absl::Status CoordinatorStopping();
// It is being started, rolled or stopped, and cannot do this as well.
absl::Status ServerBusy(absl::StatusCode code, absl::string_view name, absl::string_view what);
// What a failed bind means to the one who asked for it. `holder` is the server that has the port.
absl::Status BindError(const absl::Status& status, const v1::ServerSpec& spec, uint32_t port,
                       const std::string& holder);
// INVALID_ARGUMENT when the name or the id is malformed.
absl::Status CheckNameAndId(const std::string& name, const std::string& request_id);

}  // namespace center::coordinator
