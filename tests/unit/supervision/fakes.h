// A clock that moves only when told, processes that die only when told, and an observer that keeps
// what it hears.
#pragma once

#include <chrono>
#include <csignal>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/clock.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::supervision {

class FakeClock final : public Clock {
 public:
  int64_t WallNanos() const override {
    return std::chrono::nanoseconds(now_.time_since_epoch()).count();
  }
  SteadyTime Steady() const override { return now_; }
  void Advance(SteadyDuration duration) { now_ += duration; }
  void AdvanceTo(SteadyTime time) { now_ = time; }

 private:
  SteadyTime now_{std::chrono::hours(1000)};
};

class FakeLauncher final : public ProcessLauncher {
 public:
  struct Process {
    LaunchSpec spec;       // of an adopted process: its log name only
    ExitCallback on_exit;  // empty: dead
    std::vector<int> signals;
    bool adopted = false;
    bool attached = false;  // an adopted process's output
  };

  absl::StatusOr<int64_t> Launch(const LaunchSpec& spec, ExitCallback on_exit) override {
    ++launches;
    if (!launch_error.ok()) return launch_error;
    while (processes.contains(next_pid_)) ++next_pid_;  // adopted
    const int64_t pid = next_pid_++;
    processes[pid] = Process{.spec = spec, .on_exit = std::move(on_exit)};
    if (fail_after > 0 && --fail_after == 0) launch_error = absl::ResourceExhaustedError("EAGAIN");
    return pid;
  }

  absl::Status Adopt(AdoptSpec spec, ExitCallback on_exit) override {
    if (!adopt_error.ok()) return adopt_error;
    Process process{.on_exit = std::move(on_exit), .adopted = true};
    process.spec.log_name = spec.log_name;
    processes[spec.pid] = std::move(process);
    return absl::OkStatus();
  }

  absl::Status AttachOutput(int64_t pid, ScopedFd /*stdout_fd*/, ScopedFd /*stderr_fd*/) override {
    const auto found = processes.find(pid);
    if (found == processes.end() || !found->second.on_exit) return absl::NotFoundError("gone");
    if (found->second.attached) return absl::AlreadyExistsError("attached");
    found->second.attached = true;
    return absl::OkStatus();
  }

  absl::Status Signal(int64_t pid, int signal) override {
    const auto found = processes.find(pid);
    if (found == processes.end() || !found->second.on_exit) return absl::NotFoundError("gone");
    found->second.signals.push_back(signal);
    return absl::OkStatus();
  }

  void Exit(int64_t pid, ProcessExit exit) {
    exit.pid = pid;
    const ExitCallback on_exit = std::exchange(processes.at(pid).on_exit, nullptr);
    on_exit(std::move(exit));
  }
  void ExitWithCode(int64_t pid, int code) { Exit(pid, ProcessExit{.exit_code = code}); }
  void DieOf(int64_t pid, int signal) { Exit(pid, ProcessExit{.signal = signal}); }
  const std::vector<int>& signals(int64_t pid) const { return processes.at(pid).signals; }

  std::map<int64_t, Process> processes;
  absl::Status launch_error;  // not ok: the next launches fail with it
  absl::Status adopt_error;
  int fail_after = 0;  // n > 0: launches fail after the n-th from now
  int launches = 0;

 private:
  int64_t next_pid_ = 100;
};

class RecordingObserver final : public Observer {
 public:
  void OnSlotChanged(absl::string_view server, const SlotView& slot) override {
    changes.push_back(absl::StrCat(server, "/", slot.slot, " ", SlotStateName(slot.state)));
    if (on_change) on_change();
  }
  void OnServerStopped(absl::string_view server) override {
    stopped.emplace_back(server);
    if (on_stopped) on_stopped();
  }
  void OnEvent(const SupervisionEvent& event) override { events.push_back(event); }
  void RequestDrain(absl::string_view worker, bool now) override {
    drains.push_back(absl::StrCat(worker, now ? " now" : ""));
  }

  // The events of one type, as "subject: reason".
  std::vector<std::string> Events(EventType type) const {
    std::vector<std::string> result;
    for (const SupervisionEvent& event : events) {
      if (event.type == type) result.push_back(absl::StrCat(event.subject, ": ", event.reason));
    }
    return result;
  }

  std::vector<std::string> changes;
  std::vector<std::string> stopped;
  std::vector<SupervisionEvent> events;
  std::vector<std::string> drains;
  std::function<void()> on_change;
  std::function<void()> on_stopped;
};

}  // namespace center::supervision
