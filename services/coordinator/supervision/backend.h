// The seam behind which worker processes are: started and looked after by us (Supervisor), or the
// pods of a cluster, which starts them (kube/pod_backend.h).
//
// All of it belongs to the control thread. Observer calls are made at the end of the call (or
// report) that caused them, in order, when the backend is consistent again: an observer may call
// back into it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/common/clock.h"
#include "services/coordinator/supervision/evidence.h"
#include "services/coordinator/supervision/exit_reason.h"
#include "services/coordinator/supervision/process_launcher.h"
#include "services/coordinator/supervision/slot.h"

namespace center::supervision {

inline constexpr uint32_t kSlotsPerServerMax = 256;
inline constexpr absl::Duration kDrainTimeoutMax = absl::Hours(24);

struct ServerPlan {
  std::string name;
  uint32_t slots = 1;
  absl::Duration drain_timeout = absl::Seconds(10);
  absl::Duration start_timeout = absl::Seconds(10);
  absl::Duration liveness_timeout = absl::Seconds(5);
  RestartPolicy restart = RestartPolicy::kAlways;
  // Of the settings with which `launch` launches: a process with a smaller one is outdated.
  uint64_t generation = 0;
  // What to run for a slot. The token is to reach the process as CENTER_WORKER_TOKEN; it is new for
  // every process. Called for every launch, for as long as the server runs.
  std::function<LaunchSpec(uint32_t slot, const std::string& token)> launch;
  // What there is to know about a process of a slot that has just died. Empty: nothing.
  std::function<Evidence(uint32_t slot, const ProcessExit& exit)> examine;
};

// A process that an earlier supervisor launched for a slot.
struct AdoptedProcess {
  uint32_t slot = 0;
  int64_t pid = 0;
  ScopedFd pidfd;  // known to mean this process; not valid: it has died meanwhile
  std::string token;
  absl::Time start_time;
  uint64_t generation = 0;
  uint64_t restarts = 0;
};

struct ExitRecord {
  ProcessExit exit;  // with what of stderr is no stack
  DeathCause cause = DeathCause::kUnknown;
  std::string reason;                // for people, one line: "exited with code 3"
  std::string ended_by;              // see Death
  std::vector<std::string> running;  // see Evidence
  // Of the fatal signal, or of a hang: all threads.
  std::string stack;
  bool requested = false;  // it was asked to stop
  bool finished = false;   // it has done what it was to do
};

struct SlotView {
  uint32_t slot = 0;
  SlotState state = SlotState::kStopped;
  int64_t pid = 0;          // 0 when there is no process
  absl::Time start_time;    // of the process, or of the last one
  uint64_t restarts = 0;    // launches after the first
  uint64_t generation = 0;  // of the process, or of the last one
  bool leaving = false;     // scaled away: it goes when its process has ended
  bool adopted = false;     // an earlier supervisor launched the process
  std::string token;        // of the process
  absl::optional<ExitRecord> last_exit;
};

enum class RollOutcome {
  kDone,
  kFailed,   // a process did not become READY
  kStopped,  // the server was stopped, or the one slot that was meant scaled away
};

struct RollResult {
  RollOutcome outcome = RollOutcome::kDone;
  std::string reason;             // for people, one line; empty for kDone
  absl::optional<uint32_t> slot;  // for kFailed: whose process it was
  uint32_t replaced = 0;          // processes
};

struct RollOptions {
  bool now = false;                    // do not wait for open connections
  bool only_outdated = false;          // only processes with a smaller generation than the plan's
  absl::optional<uint32_t> only_slot;  // only this one, whatever the others do
  // Called once, as the calls of Observer are.
  std::function<void(const RollResult&)> done;
};

struct RollProgress {
  uint32_t replaced = 0;
  uint32_t total = 0;
};

enum class EventType {
  kWorkerStarted,
  kWorkerReady,
  kWorkerDraining,
  kWorkerStopped,
  kWorkerDied,
  kWorkerHung,
  kWorkerBackoff,
  kWorkerFailed,
  kWorkerAdopted,
};

struct SupervisionEvent {
  EventType type;
  std::string subject;                         // "<server>/<slot>"
  std::string reason;                          // for people, one line
  std::map<std::string, std::string> details;  // for programs: pid, exit_code, signal, stderr, …
};

// A server as it is kept outside of Center.
struct OutsideServer {
  uint32_t workers = 0;
  std::string host;   // where producers find it
  uint16_t port = 0;  // 0: it takes no connections

  bool operator==(const OutsideServer&) const = default;
};

// What the supervisor tells its owner, on the control thread.
class Observer {
 public:
  virtual ~Observer() = default;
  // A slot's state, process or last exit has changed.
  virtual void OnSlotChanged(absl::string_view server, const SlotView& slot) = 0;
  // Every slot has ended after Stop; the supervisor does not know the server any more.
  virtual void OnServerStopped(absl::string_view server) = 0;
  virtual void OnEvent(const SupervisionEvent& event) = 0;
  // Ask a registered worker over its register stream to finish. Where that does not help, signals
  // follow by themselves.
  virtual void RequestDrain(absl::string_view worker, bool now) = 0;
  // Of a backend whose servers others may make, scale and delete: all that there are now, by name.
  virtual void OnOutside(const std::map<std::string, OutsideServer>& servers) {}
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Whether it launches the processes itself, on this machine: they have our listening sockets, and
  // their journals are in our data directory.
  virtual bool Launches() const = 0;
  // Where others keep the number of workers: sets it there. To be done before Start, Scale and
  // Stop (0), which follow it. `done` is called once, maybe within the call.
  virtual void SetWorkers(const std::string& server, uint32_t workers,
                          std::function<void(const absl::Status&)> done) = 0;

  // Launches a process per slot. Errors: InvalidArgument (no slots, too many, an absurd drain
  // timeout), AlreadyExists (it runs, or has not ended yet), and what the launcher says when the
  // first process cannot be started: then nothing was. A later slot's failure counts as its death.
  virtual absl::Status Start(ServerPlan plan) = 0;
  // The same for a server whose processes an earlier supervisor launched: those that live are taken
  // over as they are, and have start_timeout to register. Until Release the server is held: nothing
  // is launched, whether a slot is empty or its process has died. AlreadyExists.
  virtual absl::Status Adopt(ServerPlan plan, std::vector<AdoptedProcess> processes) = 0;
  // The plan can launch again: says which processes had died before Adopt, fills the empty slots.
  // Nothing when the server is not held.
  virtual void Release(absl::string_view server) = 0;
  // Ends all its processes; OnServerStopped follows, at once when none lives. `now` does not wait
  // for open connections. NotFound. May be repeated.
  virtual absl::Status Stop(absl::string_view server, bool now) = 0;

  // Changes the number of slots: starts new ones, or ends the highest. One that is on its way out
  // is taken back: a new process follows the old one. Errors: InvalidArgument, NotFound,
  // FailedPrecondition (the server is stopping).
  virtual absl::Status Scale(absl::string_view server, uint32_t slots, bool now) = 0;
  // New settings: the restart policy and the start timeout hold at once, the rest for processes
  // that are launched from now on. plan.slots is ignored. Errors: as Start, and NotFound.
  virtual absl::Status SetPlan(ServerPlan plan) = 0;
  // Replaces processes, one slot at a time (see supervisor.h). Errors: NotFound (no such server or
  // slot), FailedPrecondition (it is
  // stopping), AlreadyExists (a roll is under way): then `done` is not called.
  virtual absl::Status Roll(absl::string_view server, RollOptions options) = 0;
  // How far a roll has come; nothing when there is none.
  virtual absl::optional<RollProgress> Rolling(absl::string_view server) const = 0;

  // A process says who it is. FailedPrecondition, with the reason, when that slot does not exist,
  // has no process, or has another one: the caller must end. May be repeated by the same process
  // (its stream broke).
  virtual absl::Status Register(absl::string_view worker, int64_t pid, absl::string_view token) = 0;
  // Whether this would be registered; the same errors.
  virtual absl::Status Identify(absl::string_view worker, int64_t pid, absl::string_view token) = 0;
  // Its register stream broke. It goes on living; the liveness timeout decides.
  virtual void Disconnected(absl::string_view worker) = 0;
  // Reports; ignored when the worker is not registered. Each is a heartbeat too.
  virtual void SetReady(absl::string_view worker) = 0;
  virtual void Heartbeat(absl::string_view worker) = 0;
  virtual void Draining(absl::string_view worker) = 0;

  // Kills a worker whose task goes on though it was told to stop; it is replaced as after any
  // death. `why` is for people. Nothing happens when it has no process, or another one.
  virtual void KillForTask(absl::string_view worker, int64_t pid, const std::string& why) = 0;

  // Fires due timers; returns when to call it next (SteadyTime::max(): not by itself).
  virtual SteadyTime Tick() = 0;

  // By slot; empty when the server is not known (any more).
  virtual std::vector<SlotView> Slots(absl::string_view server) const = 0;
  // Names of the servers that run or are ending, sorted.
  virtual std::vector<std::string> Servers() const = 0;

  // Why what is told of its servers may be old or missing, for people; "": it is not.
  virtual std::string Trouble() const { return ""; }
};

}  // namespace center::supervision
