#include "services/worker/compute/chunk_runner.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/text.h"

namespace center::compute {

ChunkRunner::ChunkRunner(const Chunk& chunk, const StopToken& stop,
                         FlightRecorder::Running& running)
    : center_call{}, chunk_(chunk), stop_(stop), running_(running), cursor_(chunk.inputs) {
  struct_bytes = sizeof(center_call);
  is_number = chunk.inputs.is_range() ? 1 : 0;
  next = &NoNext;
  append = &Append;
  fail = &Fail;
  stopping = &Stopping;
}

RunOutcome ChunkRunner::Run(TaskState& state) {
  if (state.task().run_many != nullptr) {
    RunMany(state);
  } else {
    RunOneByOne(state);
  }
  return Finish();
}

RunOutcome ChunkRunner::FailAll(Failure::Cause cause, absl::string_view message) {
  while (Begin()) {
    SetFailure(cause, message);
    End(1);
  }
  return Finish();
}

void ChunkRunner::RunOneByOne(TaskState& state) {
  while (Begin()) End(Call(state.task().run, state.get()));
}

void ChunkRunner::RunMany(TaskState& state) {
  next = &Next;
  while (!exhausted_ && !ended_early_) {
    const uint64_t before = cursor_.position();
    const int code = Call(state.task().run_many, state.get());
    if (open_) {
      End(code);
    } else if (cursor_.position() != before) {
      failed_ = false;  // thrown after an input was done: nobody's fault
    } else if (Begin()) {
      // It came back without looking at an input: it must not be asked about this one for ever.
      if (!failed_) SetFailure(Failure::Cause::kTaskError, "the task did not take this input");
      End(1);
    }
  }
}

int ChunkRunner::Call(int (*function)(void*, center_call*), void* state) {
  std::string what;
  try {
    return function(state, this);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "an exception that is no std::exception";
  }
  SetFailure(Failure::Cause::kException, what);
  return 1;
}

int ChunkRunner::Next(center_call* call) {
  auto* self = static_cast<ChunkRunner*>(call);
  if (self->open_) self->End(0);
  return self->Begin() ? 1 : 0;
}

int ChunkRunner::Append(center_call* call, const void* data, size_t bytes) {
  auto* self = static_cast<ChunkRunner*>(call);
  if (self->failed_ || !self->open_) return 1;
  if (bytes > kResultBytesMax - self->packer_.open_bytes()) {
    self->SetFailure(Failure::Cause::kResultTooLarge,
                     absl::StrCat("the result is larger than ", FormatByteSize(kResultBytesMax)));
    return 1;
  }
  self->packer_.Append({static_cast<const char*>(data), bytes});
  return 0;
}

int ChunkRunner::Fail(center_call* call, const char* message, size_t bytes) {
  auto* self = static_cast<ChunkRunner*>(call);
  if (self->open_) self->SetFailure(Failure::Cause::kTaskError, {message, bytes});
  return 1;
}

int ChunkRunner::Stopping(center_call* call) {
  const auto* self = static_cast<const ChunkRunner*>(call);
  return self->stop_.cancelled() || self->stop_.timed_out(self->index) ? 1 : 0;
}

bool ChunkRunner::Begin() {
  if (stop_.cancelled() || packer_.bytes() + failure_bytes_ > kChunkResultBytesMax) {
    ended_early_ = true;
    return false;
  }
  if (!cursor_.Advance()) {
    exhausted_ = true;
    return false;
  }
  index = chunk_.first_index + cursor_.position();
  running_.input.store(index, std::memory_order_relaxed);
  number = cursor_.number();
  input = {cursor_.bytes().data(), cursor_.bytes().size()};
  open_ = true;
  return true;
}

void ChunkRunner::End(int code) {
  open_ = false;
  if (code == 0 && !failed_ && !stop_.timed_out(index)) {
    packer_.End();
  } else {
    EndFailed(code);
  }
}

void ChunkRunner::EndFailed(int code) {
  packer_.Discard();
  if (stop_.cancelled()) {
    // It was told to stop, so this says nothing about the input.
    ended_early_ = true;
    failed_ = false;
    return;
  }
  if (stop_.timed_out(index)) {
    SetFailure(Failure::Cause::kTimeout,
               absl::StrCat("ran longer than ", FormatShortDuration(chunk_.input_timeout)));
  } else if (!failed_) {
    SetFailure(Failure::Cause::kTaskError, absl::StrCat("the task failed with code ", code));
  }
  packer_.End();
  Failure failure{index, cause_, std::exchange(message_, {}),
                  std::string(cursor_.bytes().substr(0, kInputShownBytesMax))};
  failure_bytes_ += sizeof(Failure) + failure.message.size() + failure.input.size();
  failures_.push_back(std::move(failure));
  failed_ = false;
}

void ChunkRunner::SetFailure(Failure::Cause cause, absl::string_view message) {
  failed_ = true;
  cause_ = cause;
  message_.assign(message.data(), std::min(message.size(), kMessageBytesMax));
}

RunOutcome ChunkRunner::Finish() {
  PackedRecords results = packer_.Take();
  const bool cancelled = results.count < chunk_.inputs.count();
  return {std::move(results), std::move(failures_), cancelled};
}

}  // namespace center::compute
