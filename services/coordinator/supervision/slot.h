// The life of one worker slot, as a pure state machine: no clock, no processes, no I/O. The owner
// (Supervisor) tells it what happened and when, and does what it answers.
//
// clang-format off
//             Start                            Stop, Replace, or
//               │                              it drains by itself
//               ▼      Ready                                      Died, to be replaced
//    ┌─────▶ STARTING ───────▶ READY ──────────────────────▶ DRAINING ───────▶ BACKOFF (no pause)
//    │          │  └──────────── │ ── Stop, Replace ────────▲  │  │
//    │          │ Died           │ Died       Died, not asked   │  │ Died, stopped
//    │          ▼                ▼            to stop           │  ▼
//    └────── BACKOFF ◀───────────┴──────────────────────────────┘ STOPPED ◀─Stop─ BACKOFF, FAILED
//  Tick:      │   ▲
//  retry      │   └─Replace── FAILED, STOPPED
//             │
//             └─▶ instead of BACKOFF, by itself:
//                 FAILED   at the 5th death within 30 s; after an exit code that says that another
//                          try is useless; with the policy NEVER
//                 STOPPED  after a clean exit, with the policies ON_FAILURE and NEVER; when the
//                          process has done what it was to do
// clang-format on
//
// Every kill comes first as an action, and then as Died when the process has really gone: a slot
// never starts a second process while the first lives.
//
// Deaths that nobody asked for are not all alike (DeathKind):
//   failure     an error exit, a crash, a kill, a start that took too long: backoff, start limit.
//   clean exit  of a process that was READY: backoff, but it never makes the slot FAILED (somebody
//               sends SIGTERM to workers); before READY it is a failure.
//   hung        as well: it has cost a liveness timeout already, so it cannot become a fast loop,
//   and
//               what stalls a healthy process (a disk, a stopped machine) is no reason to give up.
//   task        it was READY and ran a task of a job: the job gives up its input, not the slot its
//               work. Pauses of 0, then backoff_min each; never FAILED.
//   fatal exit  FAILED at once.
//   finished    it has done what it was to do: STOPPED.
//   memory      as a failure, but the first pause is not 0: memory must be given back first.
//
// Timers (SlotLimits), all fired by Tick:
//   STARTING  not ready within start_timeout: kill; counts as a death.
//   READY     no heartbeat for liveness_timeout: kill; the worker hangs.
//   DRAINING  the worker has not confirmed within drain_answer_timeout: SIGTERM, which does not
//             need the register stream. Not gone after drain_timeout + drain_grace (with `now`:
//             drain_grace): kill. A worker that stops to heartbeat while it drains hangs as well.
//   BACKOFF   the pause is over: launch. The pause is 0 after the first death, then backoff_min
//             doubling to backoff_max, each within ± jitter; a process that was ready for
//             stable_uptime makes the next death the first one again.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "services/common/clock.h"

namespace center::supervision {

enum class SlotState { kStarting, kReady, kDraining, kStopped, kBackoff, kFailed };

// "STARTING", …: as in the picture and in WorkerState of the API.
absl::string_view SlotStateName(SlotState state);

// Whether a process that has ended by itself is followed by another.
enum class RestartPolicy { kAlways, kOnFailure, kNever };

// A process keeps the liveness_timeout and the drain_timeout with which it began: it was told them,
// or what follows from them, on its command line.
struct SlotLimits {
  RestartPolicy restart = RestartPolicy::kAlways;
  SteadyDuration start_timeout = std::chrono::seconds(10);
  SteadyDuration liveness_timeout = std::chrono::seconds(5);
  SteadyDuration drain_timeout = std::chrono::seconds(10);
  SteadyDuration drain_grace = std::chrono::seconds(2);
  SteadyDuration drain_answer_timeout = std::chrono::seconds(1);
  SteadyDuration kill_repeat = std::chrono::seconds(5);
  SteadyDuration backoff_min = std::chrono::milliseconds(100);
  SteadyDuration backoff_max = std::chrono::seconds(30);
  double backoff_jitter = 0.1;                                   // of the pause, to both sides
  SteadyDuration out_of_memory_pause = std::chrono::seconds(1);  // at least
  SteadyDuration stable_uptime = std::chrono::seconds(60);
  uint32_t start_limit_deaths = 5;
  SteadyDuration start_limit_window = std::chrono::seconds(30);
};

// What the owner must do now.
enum class SlotAction {
  kNone,
  kLaunch,     // start a process; when that fails, call Died
  kDrain,      // ask it over the register stream to finish
  kDrainNow,   // the same, without waiting for open connections
  kTerminate,  // SIGTERM
  kKill,       // SIGKILL; kill_cause() says why
};

// Why Center itself killed the process.
enum class KillCause { kNone, kStartTimeout, kHung, kDrainTimeout, kStopNow, kTask };

// How a process ended, as far as it matters for what comes next.
enum class DeathKind { kFailure, kCleanExit, kHung, kTask, kFatalExit, kOutOfMemory, kFinished };

// Why a slot is FAILED.
enum class FailCause { kNone, kStartLimit, kFatalExit, kPolicy };

// Owned and called by one thread. Times are passed in and must not go back.
class Slot {
 public:
  // `random` returns numbers in [0, 1), for the jitter.
  Slot(const SlotLimits& limits, std::function<double()> random)
      : limits_(limits), random_(std::move(random)) {}

  // REQUIRES: state is STOPPED (as it is at first). The owner launches a process.
  void Start(SteadyTime now);
  // The process has said who it is; its reports count from here on. REQUIRES: live().
  void Registered(SteadyTime now);
  // The register stream broke: reports count no more until it registers again.
  [[nodiscard]] SlotAction Disconnected(SteadyTime now);
  // Reports of a registered process; ignored otherwise and where the picture has no arrow.
  void Ready(SteadyTime now);
  void Heartbeat(SteadyTime now);
  void WorkerDrains(SteadyTime now);
  // Ends it for good; `immediately` does not wait for open connections. May be repeated, and
  // repeated with `immediately` by a user who has waited long enough.
  [[nodiscard]] SlotAction Stop(SteadyTime now, bool immediately);
  // Ends its process as Stop does, and begins anew, with its deaths forgotten, when it has gone:
  // at the next Tick when there is none. Takes back an earlier Stop; a later Stop takes it back.
  [[nodiscard]] SlotAction Replace(SteadyTime now, bool immediately);
  // The process is gone, or could not be launched. Where the new state is BACKOFF with a pause of
  // 0, the next Tick launches.
  void Died(SteadyTime now, DeathKind kind);
  // A task of the process goes on though it was told to stop: `why`, for people. REQUIRES: live().
  [[nodiscard]] SlotAction KillForTask(SteadyTime now, std::string why);
  // Fires one timer that is due, if any. Call until it returns kNone.
  [[nodiscard]] SlotAction Tick(SteadyTime now);
  // The owner itself was not running for a while (stopped, starved): heartbeats may wait unread, so
  // timers that mean "nothing was heard" start again.
  void Forgive(SteadyTime now);
  // They hold from now on, for the process that lives too; but see SlotLimits.
  void SetLimits(const SlotLimits& limits);

  // When Tick has something to do; SteadyTime::max() when nothing is due by time alone.
  SteadyTime deadline() const;
  SlotState state() const { return state_; }
  // A process exists, or is about to.
  bool live() const {
    return state_ == SlotState::kStarting || state_ == SlotState::kReady ||
           state_ == SlotState::kDraining;
  }
  bool registered() const { return registered_; }
  // By Stop or Replace, of the process that lives or has died last.
  bool stop_requested() const { return stop_requested_; }
  // It is READY, or has been.
  bool was_ready() const { return ready_since_.has_value(); }
  // Of the process that lives or has died last.
  KillCause kill_cause() const { return kill_cause_; }
  // kNone unless FAILED.
  FailCause fail_cause() const { return fail_cause_; }
  // Why it was killed for a task.
  const std::string& task_reason() const { return task_reason_; }
  // How long the process had been silent when it was killed for kHung.
  SteadyDuration silence() const { return silence_; }
  // What the drain was given in total, for kDrainTimeout.
  SteadyDuration drain_allowance() const { return drain_timeout_ + limits_.drain_grace; }
  // The pause of the current BACKOFF.
  SteadyDuration backoff() const { return backoff_; }
  const SlotLimits& limits() const { return limits_; }

 private:
  static constexpr SteadyTime kNever = SteadyTime::max();

  void BeginProcess(SteadyTime now);
  SlotAction BeginStop(SteadyTime now, bool immediately);
  SlotAction Kill(SteadyTime now, KillCause cause);
  void Forget();
  void Wait(SteadyTime now, SteadyDuration pause);
  void Fail(FailCause cause);
  bool CountsAgainstStartLimit(DeathKind kind) const;
  SteadyDuration NextBackoff();

  SlotLimits limits_;
  const std::function<double()> random_;

  SlotState state_ = SlotState::kStopped;
  bool stop_requested_ = false;
  bool stop_immediately_ = false;
  bool replace_ = false;  // stop_requested_ is a Replace
  FailCause fail_cause_ = FailCause::kNone;

  // Of the current process.
  bool registered_ = false;
  bool drain_confirmed_ = false;
  bool terminate_sent_ = false;
  KillCause kill_cause_ = KillCause::kNone;
  SteadyDuration silence_{};
  std::string task_reason_;
  SteadyDuration drain_timeout_{};
  SteadyDuration liveness_timeout_{};
  SteadyTime launched_;
  absl::optional<SteadyTime> ready_since_;

  // Timers; kNever when not armed.
  SteadyTime state_deadline_ = kNever;     // start, drain, backoff, repeated kill
  SteadyTime liveness_deadline_ = kNever;  // READY and DRAINING
  SteadyTime escalate_deadline_ = kNever;  // DRAINING, not confirmed

  // Across processes.
  uint32_t failures_ = 0;          // deaths since the last stable process
  std::deque<SteadyTime> deaths_;  // within start_limit_window
  SteadyDuration backoff_{};
};

}  // namespace center::supervision
