// Reading a server's payloads for as long as it takes: over every break of the line.
#pragma once

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cli/context.h"
#include "cli/cursor.h"
#include "cli/payload_stream.h"
#include "cli/retry.h"

namespace center::cli {

// Reads a server's payloads and, when it follows and the line breaks, calls again from the cursor.
class Follower {
 public:
  // Gets each message, and moves the cursor on behind what it has dealt with. False: enough.
  using Process = std::function<absl::StatusOr<bool>(const StreamMessage&)>;
  Follower(Context& context, v1::StreamPayloadsRequest request, Process process,
           Route route = Route::kRelayed);
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // Until the stream ends, `process` has enough or fails, or Interrupt.
  absl::Status Run();
  // Any thread.
  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the thread that runs.
  CursorTracker& cursor() { return cursor_; }

 private:
  enum class Outcome { kEnded, kAgain };
  // One stream.
  absl::StatusOr<Outcome> RunStream();

  Context& context_;
  v1::StreamPayloadsRequest request_;
  const Process process_;
  const Route route_;
  Reconnector reconnector_;
  CursorTracker cursor_;
  absl::Mutex mutex_;
  PayloadStream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace center::cli
