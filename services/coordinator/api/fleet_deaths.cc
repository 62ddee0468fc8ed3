// What is known about a worker that has died.
#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/log.h"
#include "services/common/scoreboard.h"
#include "services/common/utf8.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"
#include "services/coordinator/api/supervision_messages.h"

namespace center::coordinator {
namespace {

v1::GetWorkerStacksResponse ToProto(const supervision::ProcessStacks& stacks) {
  v1::GetWorkerStacksResponse response;
  *response.mutable_stopped_for() = FromDuration(absl::FromChrono(stacks.stopped_for));
  for (const supervision::ThreadStack& thread : stacks.threads) {
    v1::ThreadStack& stack = *response.add_threads();
    stack.set_tid(static_cast<int32_t>(thread.tid));
    stack.set_name(ValidUtf8(thread.name));
    for (const supervision::StackFrame& frame : thread.frames) {
      v1::StackFrame& added = *stack.add_frames();
      added.set_address(frame.address);
      added.set_function(ValidUtf8(frame.function));
      added.set_location(ValidUtf8(frame.location));
    }
  }
  return response;
}

}  // namespace

supervision::Evidence Fleet::Examine(const Entry& entry, uint32_t slot,
                                     const supervision::ProcessExit& exit) const {
  supervision::Evidence evidence;
  if (deps_.judge_oom && (exit.signal == SIGKILL || !exit.known)) {
    evidence.oom = deps_.judge_oom();
  }
  if (!entry.scoreboard.valid()) return evidence;  // no worker has handed it back
  auto scoreboard = Scoreboard::Map(entry.scoreboard.get());
  if (!scoreboard.ok()) {
    spdlog::warn("worker {}: its flight recorder cannot be read: {}",
                 WorkerName(entry.record.name, slot), scoreboard.status());
    return evidence;
  }
  const FlightRecorder& recorder = (*scoreboard)->recorder(slot);
  if (recorder.pid.load(std::memory_order_acquire) != exit.pid) return evidence;
  evidence.recorded = true;
  evidence.end = static_cast<FlightRecorder::End>(recorder.end.load(std::memory_order_acquire));
  evidence.end_value = recorder.end_value.load(std::memory_order_relaxed);
  evidence.sender = recorder.Sender();
  evidence.running = Running(WorkerName(entry.record.name, slot), recorder);
  return evidence;
}

std::vector<std::string> Fleet::Running(const std::string& worker,
                                        const FlightRecorder& recorder) const {
  std::vector<std::string> result;
  for (const FlightRecorder::Running& thread : recorder.running) {
    const uint64_t chunk = thread.chunk.load(std::memory_order_acquire);
    const uint64_t input = thread.input.load(std::memory_order_relaxed);
    if (chunk == 0) continue;
    result.push_back(deps_.describe_running ? deps_.describe_running(worker, chunk, input)
                                            : absl::StrCat("chunk ", chunk, ", input ", input));
  }
  return result;
}

supervision::SupervisorOptions Fleet::SupervisorSettings() {
  supervision::SupervisorOptions options{.on_deadline = deps_.arm_timer};
  options.autopsy = AutopsyBy(deps_.take_stacks);
  return options;
}

void Fleet::GetWorkerStacks(
    const std::string& name,
    std::function<void(absl::StatusOr<v1::GetWorkerStacksResponse>)> answer) const {
  const std::pair<std::string, std::string> parts = absl::StrSplit(name, absl::MaxSplits('/', 1));
  const auto server = servers_.find(parts.first);
  if (server == servers_.end()) return answer(ServerNotFound(parts.first));
  const auto slots = supervisor_.Slots(parts.first);
  const auto slot = std::find_if(slots.begin(), slots.end(), [&](const auto& candidate) {
    return WorkerName(parts.first, candidate.slot) == name;
  });
  if (slot == slots.end()) {
    return answer(
        rpc::WithReason(absl::NotFoundError(absl::StrCat("there is no worker '", name, "'")),
                        "WORKER_NOT_FOUND", {{"worker", name}}));
  }
  if (slot->pid == 0) {
    return answer(rpc::WithReason(
        absl::FailedPreconditionError(absl::StrCat("worker '", name, "' is ",
                                                   supervision::SlotStateName(slot->state),
                                                   ": it has no process now")),
        "WORKER_NOT_RUNNING", {{"worker", name}}));
  }
  if (!deps_.take_stacks) return answer(absl::UnimplementedError("stacks cannot be taken here"));
  deps_.take_stacks(slot->pid, [this, name, pid = slot->pid, answer = std::move(answer)](
                                   const absl::StatusOr<supervision::ProcessStacks>& stacks) {
    if (!stacks.ok()) return answer(stacks.status());
    v1::GetWorkerStacksResponse response = ToProto(*stacks);
    response.set_name(name);
    response.set_pid(static_cast<int32_t>(pid));
    *response.mutable_time() = FromTime(deps_.clock->Wall());
    answer(std::move(response));
  });
}

std::vector<RunningTask> Fleet::RunningTasks(const std::string& worker) {
  std::vector<RunningTask> tasks;
  const auto found = Find(worker);
  if (!found.has_value() || !found->entry->scoreboard.valid()) return tasks;
  auto scoreboard = Scoreboard::Map(found->entry->scoreboard.get());
  if (!scoreboard.ok()) return tasks;
  const FlightRecorder& recorder = (*scoreboard)->recorder(found->slot);
  // Another process may have begun to write there.
  if (recorder.pid.load(std::memory_order_acquire) != found->seat->pid) return tasks;
  for (const FlightRecorder::Running& thread : recorder.running) {
    const uint64_t chunk = thread.chunk.load(std::memory_order_acquire);
    if (chunk != 0) tasks.push_back({chunk, thread.input.load(std::memory_order_relaxed)});
  }
  return tasks;
}

}  // namespace center::coordinator
