// Clients: every one as it is wanted (the store) and as it is (processes that send payloads).
//
// What servers are to the Fleet, clients are to this: desired state is written before it is acted
// upon, a supervisor of its own keeps the processes alive, a new coordinator adopts those that an
// earlier one left. There is no listening socket to wait for, and no stream: processes report once
// a second, and each report is a heartbeat.
//
// A client:
//
//     STOPPED, FINISHED ──start──▶ SUPERVISED ──stop──▶ STOPPING ──▶ STOPPED
//            ▲                         │ every process has sent its count
//            └──────── FINISHED ◀──────┘
//     (a new coordinator) ──▶ SUPERVISED, or BROKEN where nothing can be launched
//
// Counters are those of the processes that live and of those that have ended, since the client was
// started. What ended processes have counted is stored, and so is how a client ended.
//
// Lifecycle: construct, Reconcile once, then requests; Shutdown ends the processes and leaves
// desired state as it is. Everything happens on the control thread; nothing here blocks, but for
// short writes to the store.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "center/v1/client.pb.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/coordinator/api/event_log.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/fleet_figures.h"
#include "services/coordinator/api/launch.h"
#include "services/coordinator/api/request_log.h"
#include "services/coordinator/api/supervision_messages.h"
#include "services/coordinator/state/store.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::coordinator {

inline constexpr size_t kClientsMax = 1000;

using ClientAnswer = Answer<v1::Client>;

class ClientFleet final : public supervision::Observer {
 public:
  struct Dependencies {
    supervision::ProcessLauncher* launcher;
    Clock* clock;
    state::Store* store;
    EventLog* events;
    // Runs it on the control thread, later.
    std::function<void(std::function<void()>)> post;
    // Calls OnTimer at this time at the latest.
    std::function<void(SteadyTime)> arm_timer;
    // As Fleet::FindTarget.
    std::function<absl::StatusOr<ServerTarget>(const std::string& server)> find_server;
    // As those of Fleet::Dependencies.
    std::function<ScopedFd(const state::ProcessRecord&)> open_process;
    std::function<bool(const state::ProcessRecord&, absl::Duration grace,
                       std::function<void()> ended)>
        end_process;
    std::function<supervision::OomVerdict()> judge_oom = nullptr;
    TakeStacks take_stacks = nullptr;
  };

  ClientFleet(Dependencies dependencies, LaunchContext launch);
  ~ClientFleet() override;

  // Takes up what the store says. `coordinator_address`: where processes report. Call it when the
  // servers have been taken up.
  absl::Status Reconcile(const std::string& coordinator_address);

  // Requests, as ClientService documents them. `deadline`: when to answer at the latest.
  void StartClient(const v1::StartClientRequest& request, SteadyTime deadline, ClientAnswer answer);
  void StopClient(const v1::StopClientRequest& request, ClientAnswer answer);
  absl::StatusOr<v1::Client> GetClient(const std::string& name) const;
  absl::StatusOr<v1::ListClientsResponse> ListClients(const v1::ListClientsRequest& request) const;

  // By name.
  std::vector<ClientFigures> Figures() const;

  // A process says how it is. One that is refused must end.
  absl::StatusOr<v1::ReportClientResponse> Report(const v1::ReportClientRequest& request);

  // Does what is due; returns when to be called next (SteadyTime::max(): not by itself).
  SteadyTime OnTimer();

  // Ends all processes in order (at once with `now`; may be called again with it, `done` replaces
  // the earlier one) and calls `done` when none is left. Desired state stays. Requests are refused
  // from now on.
  void Shutdown(bool now, std::function<void()> done);
  // The processes go on and wait for the next coordinator. Requests are refused from now on.
  void Leave();
  // Of processes that are launched from now on.
  void SetLogLevel(const std::string& level) { launch_.log_level = level; }

  // supervision::Observer; a "server" is a client here.
  void OnSlotChanged(absl::string_view client, const supervision::SlotView& slot) override;
  void OnServerStopped(absl::string_view client) override;
  void OnEvent(const supervision::SupervisionEvent& event) override;
  void RequestDrain(absl::string_view process, bool now) override;

 private:
  enum class Run { kStopped, kSupervised, kStopping, kBroken };

  struct Seat {             // one slot for a process
    int64_t pid = 0;        // the process in the store
    v1::ClientStats stats;  // of that process, as it said last
    v1::ClientStats past;   // of those before it
    bool ended = false;     // it has no connection any more, and exits
  };
  struct StartWaiter {
    SteadyTime deadline;
    ClientAnswer answer;
  };
  struct Entry {
    state::ClientRecord record;
    v1::ClientSpec spec;  // as asked for: the framing may be the server's
    ServerTarget target;  // as known last
    Run run = Run::kStopped;
    v1::ClientState ended = v1::CLIENT_STATE_STOPPED;  // or FINISHED
    std::string detail;
    std::map<uint32_t, Seat> seats;
    bool past_changed = false;  // not stored yet
    std::vector<StartWaiter> start_waiters;
    std::vector<std::function<void()>> stop_waiters;
  };

  // client_fleet.cc: starting and stopping.
  void StartChecked(const v1::StartClientRequest& request, SteadyTime deadline,
                    ClientAnswer answer);
  absl::StatusOr<v1::ClientSpec> CheckStart(const v1::StartClientRequest& request,
                                            const std::string& name) const;
  absl::Status CheckLimit(const std::string& name) const;
  absl::StatusOr<ServerTarget> FindTarget(const v1::ClientSpec& spec) const;
  absl::Status Launch(const std::string& name, const v1::ClientSpec& spec, ServerTarget target);
  supervision::ServerPlan PlanOf(const Entry& entry);
  void StopChecked(const v1::StopClientRequest& request, ClientAnswer answer);
  void BeginStop(Entry& entry, bool now);
  void FinishStop(Entry& entry);
  void Finish(Entry& entry);
  void AnswerStartWaiters(Entry& entry);
  void TellWhenShutDown();

  // client_fleet_processes.cc: what processes and the supervisor tell, and what follows.
  Seat* Find(absl::string_view process, Entry** entry = nullptr);
  supervision::SupervisorOptions SupervisorSettings();
  supervision::Evidence Examine(const Entry& entry, uint32_t number,
                                const supervision::ProcessExit& exit) const;
  void RecordProcess(const std::string& client, const supervision::SlotView& slot, Seat& seat);
  void RefreshTarget(Entry& entry) const;
  v1::Framing FramingOf(const Entry& entry) const;
  // Payloads that the next process of this seat is to send; 0: no end.
  static uint64_t Left(const Entry& entry, const Seat& seat);
  void ScheduleSettle(const std::string& client);
  void Settle();
  void SettleClient(Entry& entry);
  void StorePast(Entry& entry);

  // client_fleet_adopt.cc
  using Orphans = std::map<std::string, std::vector<supervision::AdoptedProcess>>;
  absl::Status LoadClients();
  absl::StatusOr<Orphans> FindProcesses();
  absl::Status EndUnwanted(const state::ProcessRecord& process, absl::Duration grace);
  void TakeUp(Entry& entry, std::vector<supervision::AdoptedProcess> left);

  // client_fleet_view.cc
  v1::Client View(const Entry& entry) const;
  // One that is not there yet.
  static v1::Client Planned(const std::string& name, const v1::ClientSpec& spec,
                            const ServerTarget& target);
  v1::ClientState StateOf(const Entry& entry) const;
  std::string DetailOf(const Entry& entry) const;
  v1::ClientProcess ViewProcess(const Entry& entry, const supervision::SlotView& slot) const;
  static v1::ClientStats Sum(const Entry& entry);
  // Every slot has failed or finished: none has a process or will have one by itself.
  bool NobodyLeft(const Entry& entry) const;
  void AddEvent(v1::EventType type, absl::string_view client, absl::string_view reason);

  const Dependencies deps_;
  LaunchContext launch_;
  supervision::Supervisor supervisor_;
  RequestLog requests_;
  std::map<std::string, Entry> clients_;
  std::set<std::string> dirty_;    // to be settled
  std::set<std::string> stopped_;  // their last process has ended
  bool settle_posted_ = false;
  bool shutting_down_ = false;
  std::function<void()> shutdown_done_;
};

// Adds `from` to *sum; connections too. The last error is that of `from`, if it has one.
void AddStats(const v1::ClientStats& from, v1::ClientStats* sum);

}  // namespace center::coordinator
