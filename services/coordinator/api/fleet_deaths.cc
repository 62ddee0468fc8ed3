// What is known about a worker that has died.
#include <csignal>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/scoreboard.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

supervision::Evidence Fleet::Examine(const Entry& entry, uint32_t slot,
                                     const supervision::ProcessExit& exit) const {
  supervision::Evidence evidence;
  if (deps_.judge_oom && (exit.signal == SIGKILL || !exit.known)) {
    evidence.oom = deps_.judge_oom();
  }
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

}  // namespace center::coordinator
