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
#include "absl/types/optional.h"
#include "services/common/clock.h"
#include "services/coordinator/supervision/backend.h"

namespace center::supervision {

// Of a worker's stderr, what is kept in an ExitRecord, and what goes into the event of its death.
inline constexpr size_t kExitStderrBytesMax = 8192;
inline constexpr size_t kEventStderrBytesMax = 2048;

// A secret that a process shows to prove who it is: 128 random bits as hex digits.
absl::StatusOr<std::string> NewToken();

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

class Supervisor final : public Backend {
 public:
  // The three must outlive the supervisor. When it is destroyed the processes live on.
  Supervisor(ProcessLauncher& launcher, Clock& clock, Observer& observer,
             SupervisorOptions options = {});
  ~Supervisor() override;
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  bool Launches() const override { return true; }
  void SetWorkers(const std::string& /*server*/, uint32_t /*workers*/,
                  std::function<void(const absl::Status&)> done) override {
    done(absl::OkStatus());
  }
  absl::Status Start(ServerPlan plan) override;
  absl::Status Adopt(ServerPlan plan, std::vector<AdoptedProcess> processes) override;
  void Release(absl::string_view server) override;
  absl::Status Stop(absl::string_view server, bool now) override;
  absl::Status Scale(absl::string_view server, uint32_t slots, bool now) override;
  absl::Status SetPlan(ServerPlan plan) override;
  absl::Status Roll(absl::string_view server, RollOptions options) override;
  absl::optional<RollProgress> Rolling(absl::string_view server) const override;
  absl::Status Register(absl::string_view worker, int64_t pid, absl::string_view token) override;
  absl::Status Identify(absl::string_view worker, int64_t pid, absl::string_view token) override;
  void Disconnected(absl::string_view worker) override;
  void SetReady(absl::string_view worker) override;
  void Heartbeat(absl::string_view worker) override;
  void Draining(absl::string_view worker) override;
  void KillForTask(absl::string_view worker, int64_t pid, const std::string& why) override;
  SteadyTime Tick() override;
  std::vector<SlotView> Slots(absl::string_view server) const override;
  std::vector<std::string> Servers() const override;

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
