// Where ingest puts what it receives: the journal, seen through three functions, so that neither
// includes the other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace center::ingest {

// A serialised PayloadBatch in two pieces: `head` is everything in front of the payload bytes,
// `body` the payload bytes. It lives until append returns.
struct EncodedBatch {
  uint32_t count = 0;   // payloads in it
  int64_t time_ns = 0;  // when they were received
  absl::string_view head;
  absl::string_view body;
};

// All of these are called on the ingest thread, which is the journal's only writer: between two
// calls of append, next_offset does not change.
struct JournalPort {
  // The offset that the next payload will get.
  std::function<uint64_t()> next_offset;
  // All or nothing. ResourceExhausted: full for now, nothing was stored; ingest keeps the batches,
  // stops reading sockets and repeats the same call every 100 ms. Any other error: `on_failure`.
  std::function<absl::Status(absl::Span<const EncodedBatch>)> append;
  // Everything below is as safe as the journal promises (synced, where that is asked for): its
  // producers may be told. Grows after append has returned; IngestServer::OnSafe is to be called
  // then. When it is not set, what is appended is safe.
  std::function<uint64_t()> safe_end = nullptr;
  // Why append would answer ResourceExhausted now; "" when it would not.
  std::function<std::string()> blocked_reason;
  // The journal is lost for this process: ingest has stopped for good, and the process is to end.
  // Called once. When it is not set, the io_context is stopped.
  std::function<void(const absl::Status&)> on_failure = nullptr;
};

}  // namespace center::ingest
