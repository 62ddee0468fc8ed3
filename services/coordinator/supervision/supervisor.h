// Keeps the workers of every running server alive: launches one process per slot, learns from their
// registration and heartbeats how they are, restarts what dies, kills what hangs, drains what is
// stopped, and says why for each. What happens when is decided by Slot (slot.h); this class
// connects slots with processes. It is the same for the processes of clients: a "server" here is
// any group of processes, SupervisorOptions::words says what to call it.
//
// Lifecycle of a server: Start -> (slots live, die, restart on their own; Scale, SetPlan, Roll) ->
// Stop -> Observer::OnServerStopped, after which the name is unknown here again and may be started
// anew.
//
// A roll replaces the processes of slots, one slot at a time:
//   - Slots that do not serve now come first: if the new program is no good, nobody misses them.
//   - A slot that serves is taken away only while every other slot is READY, or has given up.
//   - The next slot follows when the process of the one before is READY. A process that dies before
//   it
//     is READY ends the roll; the slots that are left keep their processes. One that dies later is
//     restarted as ever, and waited for. A slot whose process has died meanwhile has a new one.
//
// All of it belongs to the control thread. Observer calls are made at the end of the call (or exit
// report) that caused them, in order, when the supervisor is consistent again: an observer may call
// back into it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
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
// Of a worker's stderr, what is kept in an ExitRecord, and what goes into the event of its death.
inline constexpr size_t kExitStderrBytesMax = 8192;
inline constexpr size_t kEventStderrBytesMax = 2048;

// A secret that a process shows to prove who it is: 128 random bits as hex digits.
absl::StatusOr<std::string> NewToken();

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
};

// What is supervised, for people: a "client" and its "client process", …
struct Words {
  std::string group = "server";
  std::string member = "worker";
};

struct SupervisorOptions {
  SlotLimits limits;  // but for what the plan says
  Words words = {};
  // A Tick that comes later than this after its deadline means that this process itself stood still
  // (stopped, starved, suspended). Heartbeats then wait unread, and nobody is killed for them: the
  // timers of silence start again.
  SteadyDuration stall_tolerance = std::chrono::milliseconds(500);
  // While a process lives Tick is wanted this often, although nothing may be due: the less time
  // there is between two deadlines, the less of a standstill can hide in it.
  SteadyDuration pulse = std::chrono::milliseconds(500);
  // Numbers in [0, 1), for jitter. Empty: a generator seeded by the system.
  std::function<double()> random;
  // Takes the stacks of a process that is to be killed for what it does not do, as text, and
  // answers within the slot's kill_repeat: then it is killed anyway. The answer may come at any
  // time, also when the supervisor is gone. Empty: it is killed at once.
  std::function<void(int64_t pid, std::function<void(absl::StatusOr<std::string>)> done)> autopsy;
  // The earliest deadline has become this one: call Tick then. Not called for deadlines that Tick
  // returns. Empty: the owner calls Tick often enough by itself.
  std::function<void(SteadyTime)> on_deadline;
};

class Supervisor {
 public:
  // The three must outlive the supervisor. When it is destroyed the processes live on.
  Supervisor(ProcessLauncher& launcher, Clock& clock, Observer& observer,
             SupervisorOptions options = {});
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Launches a process per slot. Errors: InvalidArgument (no slots, too many, an absurd drain
  // timeout), AlreadyExists (it runs, or has not ended yet), and what the launcher says when the
  // first process cannot be started: then nothing was. A later slot's failure counts as its death.
  absl::Status Start(ServerPlan plan);
  // The same for a server whose processes an earlier supervisor launched: those that live are taken
  // over as they are, and have start_timeout to register. Until Release the server is held: nothing
  // is launched, whether a slot is empty or its process has died. AlreadyExists.
  absl::Status Adopt(ServerPlan plan, std::vector<AdoptedProcess> processes);
  // The plan can launch again: says which processes had died before Adopt, fills the empty slots.
  // Nothing when the server is not held.
  void Release(absl::string_view server);
  // Ends all its processes; OnServerStopped follows, at once when none lives. `now` does not wait
  // for open connections. NotFound. May be repeated.
  absl::Status Stop(absl::string_view server, bool now);

  // Changes the number of slots: starts new ones, or ends the highest. One that is on its way out
  // is taken back: a new process follows the old one. Errors: InvalidArgument, NotFound,
  // FailedPrecondition (the server is stopping).
  absl::Status Scale(absl::string_view server, uint32_t slots, bool now);
  // New settings: the restart policy and the start timeout hold at once, the rest for processes
  // that are launched from now on. plan.slots is ignored. Errors: as Start, and NotFound.
  absl::Status SetPlan(ServerPlan plan);
  // Begins a roll (see above). Errors: NotFound (no such server or slot), FailedPrecondition (it is
  // stopping), AlreadyExists (a roll is under way): then `done` is not called.
  absl::Status Roll(absl::string_view server, RollOptions options);
  // How far a roll has come; nothing when there is none.
  absl::optional<RollProgress> Rolling(absl::string_view server) const;

  // A process says who it is. FailedPrecondition, with the reason, when that slot does not exist,
  // has no process, or has another one: the caller must end. May be repeated by the same process
  // (its stream broke).
  absl::Status Register(absl::string_view worker, int64_t pid, absl::string_view token);
  // Whether this would be registered; the same errors.
  absl::Status Identify(absl::string_view worker, int64_t pid, absl::string_view token);
  // Its register stream broke. It goes on living; the liveness timeout decides.
  void Disconnected(absl::string_view worker);
  // Reports; ignored when the worker is not registered. Each is a heartbeat too.
  void SetReady(absl::string_view worker);
  void Heartbeat(absl::string_view worker);
  void Draining(absl::string_view worker);

  // Kills a worker whose task goes on though it was told to stop; it is replaced as after any
  // death. `why` is for people. Nothing happens when it has no process, or another one.
  void KillForTask(absl::string_view worker, int64_t pid, const std::string& why);

  // Fires due timers; returns when to call it next (SteadyTime::max(): not by itself).
  SteadyTime Tick();

  // By slot; empty when the server is not known (any more).
  std::vector<SlotView> Slots(absl::string_view server) const;
  // Names of the servers that run or are ending, sorted.
  std::vector<std::string> Servers() const;

 private:
  struct Process;
  struct Server;
  class Scope;

  Process* FindRegistered(absl::string_view worker);
  Process* Find(absl::string_view worker);
  absl::Status CheckPlan(const ServerPlan& plan) const;
  SlotLimits LimitsOf(const ServerPlan& plan) const;
  absl::StatusOr<Server*> FindServing(absl::string_view server);
  Process& AddSlot(Server& server);
  // Asks the process of a slot to end, for good or to be replaced; `why` goes into the event.
  enum class Ending { kStop, kReplace };
  void End(Process& process, Ending ending, bool now, absl::string_view why);
  // Forgets slots that were scaled away and have ended.
  void Trim(Server& server);
  absl::Status Launch(Process& process);
  void LaunchOrDie(Process& process);
  // supervisor_adopt.cc
  absl::Status TakeOver(Process& process, AdoptedProcess adopted);
  void RecordLost(Server& server);
  void ReportAdopted(Process& process);
  ProcessLauncher::ExitCallback OnExitOf(const Process& process, uint64_t launch_id);
  void OnExit(absl::string_view server, uint32_t slot, uint64_t launch_id, ProcessExit exit);
  // What is known of an exit. The slot has not been told of it yet.
  static ExitRecord Examine(const Process& process, ProcessExit exit);
  void RecordDeath(Process& process, ExitRecord record);
  // Runs the timers of one slot that are due.
  void Advance(Process& process);
  void Apply(Process& process, SlotAction action);
  // Takes its stacks first, where that is worth the time.
  void AutopsyAndKill(Process& process);
  void OnAutopsy(absl::string_view server, uint32_t slot, uint64_t launch_id,
                 const absl::StatusOr<std::string>& stacks);
  void Kill(Process& process);
  void SendSignal(const Process& process, int signal);
  void RemoveIfStopped(Server& server);

  // supervisor_roll.cc
  void StepRolls();
  bool StepRoll(Server& server);
  absl::optional<uint32_t> NextToRoll(const Server& server) const;
  void NoteDeath(const Process& process, bool was_ready, const std::string& reason);
  void EndRoll(Server& server, RollResult result);

  void NotifyChanged(const Process& process);
  void NotifyEvent(EventType type, const Process& process, std::string reason,
                   std::map<std::string, std::string> details = {});
  void DeliverNotifications();
  void AnnounceDeadline();
  SteadyTime NextDeadline() const;
  bool AnyLives() const;

  ProcessLauncher& launcher_;
  Clock& clock_;
  Observer& observer_;
  SupervisorOptions options_;

  std::map<std::string, std::unique_ptr<Server>, std::less<>> servers_;
  uint64_t last_launch_id_ = 0;
  std::deque<std::function<void()>> notifications_;
  int depth_ = 0;  // of public calls that are running: observers call back
  SteadyTime announced_ = SteadyTime::max();
  SteadyTime pulse_ = SteadyTime::max();  // when Tick is wanted although nothing is due
  // Exit callbacks hold it weakly: they may outlive the supervisor.
  std::shared_ptr<Supervisor*> self_;
};

}  // namespace center::supervision
