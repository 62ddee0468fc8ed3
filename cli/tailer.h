// Reads a server's payloads, prints them, and remembers how far it is.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "center/v1/payload.grpc.pb.h"
#include "cli/context.h"
#include "cli/follow.h"
#include "cli/tail_print.h"

namespace center::cli {

struct TailOptions {
  v1::StreamPayloadsRequest request;
  std::string subscription;  // commit what was printed here
  std::string cursor_file;   // and save it here
  uint64_t count = 0;        // end after so many; 0: no limit
  Format format = Format::kPretty;
  Route route = Route::kRelayed;
};

// Prints until the stream ends, `count` is reached, Ctrl-C, or nobody reads stdout any more. When
// the line breaks while following it calls again from its cursor: nothing is printed twice or left
// out. What is printed is first flushed, then committed: a payload may come again after a crash,
// but is never lost.
class Tailer {
 public:
  Tailer(Context& context, TailOptions options);
  absl::Status Run();

 private:
  // True: go on.
  absl::StatusOr<bool> Process(const StreamMessage& message);
  void TellGap(const v1::Gap& gap);
  // Stores the cursor when enough time has passed since the last time, or `force`.
  absl::Status Commit(bool force);
  bool finished() const { return options_.count > 0 && printed_ >= options_.count; }
  CursorTracker& cursor() { return follower_.cursor(); }

  Context& context_;
  const TailOptions options_;
  PayloadPrinter printer_;
  v1::Cursor committed_;
  SteadyTime commit_time_;
  uint64_t printed_ = 0;
  Follower follower_;
};

}  // namespace center::cli
