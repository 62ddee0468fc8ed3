// Runs one chunk on one compute thread: the side of center/task.h that tasks call back.
//
// It costs a trivial input a few nanoseconds: no clock is read and no lock taken per input; what
// others must know of the current input (the watchdog, and whoever finds the process dead) is one
// relaxed store.
#pragma once

#include <atomic>
#include <cstdint>

#include "center/task.h"
#include "services/common/flight_recorder.h"
#include "services/worker/compute/chunk.h"
#include "services/worker/compute/result_packer.h"
#include "services/worker/compute/task_state.h"

namespace center::compute {

// How others tell a running chunk to stop. Any thread.
class StopToken {
 public:
  // The whole chunk.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // The input of this index in the job, and no other: the chunk may have gone on meanwhile.
  void TimeOut(uint64_t index) { timed_out_.store(index + 1, std::memory_order_relaxed); }
  bool timed_out(uint64_t index) const {
    return timed_out_.load(std::memory_order_relaxed) == index + 1;
  }

 private:
  std::atomic<bool> cancelled_{false};
  std::atomic<uint64_t> timed_out_{0};  // 1 + an index
};

// What one chunk's run leads to, beside its times.
struct RunOutcome {
  PackedRecords results;
  std::vector<Failure> failures;
  bool cancelled = false;
};

class ChunkRunner final : private center_call {
 public:
  // `running` is told each input. All outlive the runner.
  ChunkRunner(const Chunk& chunk, const StopToken& stop, FlightRecorder::Running& running);

  // Once. Whatever the task returns or throws ends up in the outcome.
  RunOutcome Run(TaskState& state);
  // Instead of Run: every input fails with this message.
  RunOutcome FailAll(Failure::Cause cause, absl::string_view message);

 private:
  static int Next(center_call* call);
  static int NoNext(center_call* /*call*/) { return 0; }
  static int Append(center_call* call, const void* data, size_t bytes);
  static int Fail(center_call* call, const char* message, size_t bytes);
  static int Stopping(center_call* call);

  void RunOneByOne(TaskState& state);
  void RunMany(TaskState& state);
  // Calls the task; what it threw has become a failure of the current input.
  int Call(int (*function)(void*, center_call*), void* state);
  // Makes the next input the current one, unless there is none or the chunk ends early.
  bool Begin();
  // The current input is done; `code` is what the task said.
  void End(int code);
  void EndFailed(int code);
  void SetFailure(Failure::Cause cause, absl::string_view message);
  RunOutcome Finish();

  const Chunk& chunk_;
  const StopToken& stop_;
  FlightRecorder::Running& running_;
  InputCursor cursor_;
  ResultPacker packer_;
  std::vector<Failure> failures_;
  size_t failure_bytes_ = 0;
  bool open_ = false;       // there is a current input
  bool failed_ = false;     // the current input has: cause_, message_
  bool exhausted_ = false;  // no input is left
  bool ended_early_ = false;
  Failure::Cause cause_ = Failure::Cause::kTaskError;
  std::string message_;
};

}  // namespace center::compute
