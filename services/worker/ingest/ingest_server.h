// The TCP side of a worker: accepts connections fairly among its siblings, cuts their streams into
// payloads and hands these to the journal in groups.
//
//            Start             Drain                     last connection ended, or timeout
//   created ───────▶ accepting ───────▶ draining ──────────────────────────────▶ stopped
//                       │ ▲ append ok                                              ▲
//        append says    ▼ │                     StopNow, or the journal has failed │
//        full        blocked (reads nothing, accepts nothing) ─────────────────────┘
//
// The hot path: a readable connection is received from once a turn, up to 256 KiB, straight into
// the group buffer that all connections share; its framer packs the payloads in place; what is
// left of an unfinished frame goes to the connection's own small buffer. At the end of the turn of
// the event loop the group is appended with one call. So there is no allocation, no lock and no
// system call per payload, and an idle connection holds no buffer.
//
// Everything runs on the thread that runs the io_context, except counters() and blocked_reason(),
// which any thread may call. Destroying the server (on that thread) is StopNow().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/framing.h"
#include "services/common/scoreboard.h"
#include "services/worker/ingest/journal_port.h"

namespace center::ingest {

struct IngestOptions {
  std::string worker_name;  // "<server>/<slot>"
  Framing framing = Framing::kLine;
  // A longer payload closes its connection. 1 to kPayloadBytesLimit.
  uint64_t max_payload_bytes = 1 << 20;
  // Sent on connect when not empty. At most kBannerBytesMax.
  std::string banner;
  // Connections beyond these are closed at once. 0 per peer: as max_connections.
  uint32_t max_connections = 10'000;
  uint32_t max_connections_per_peer = 0;
  // A connection whose unfinished frame is older than this is closed. Zero: never.
  absl::Duration frame_timeout = absl::Seconds(30);
  // A connection that sends nothing for this long is closed. Zero: never.
  absl::Duration idle_timeout = absl::ZeroDuration();
  // Memory for the unfinished frames of all connections. When they need more, the connection
  // that holds the most of it is closed.
  uint64_t max_buffer_bytes = 64 << 20;
  // This worker's line of the scoreboard.
  uint32_t slot = 0;
};

// At the end of a drain: how long producers have to end their connections after they were told.
inline constexpr std::chrono::milliseconds kDrainLinger{500};
inline constexpr uint64_t kPayloadBytesLimit = 1ULL << 30;
inline constexpr size_t kBannerBytesMax = 4096;

enum class RejectCause {
  kConnectionLimit,      // max_connections
  kPeerConnectionLimit,  // max_connections_per_peer
  kPayloadTooLarge,      // max_payload_bytes
  kMalformedFrame,
  kFrameTimeout,
  kIdleTimeout,
  kBufferLimit,  // max_buffer_bytes
};

// A connection that was closed because of what its peer did, or of a limit.
struct RejectedConnection {
  std::string peer;  // "ip:port"
  RejectCause cause = RejectCause::kMalformedFrame;
  std::string reason;            // a sentence for people
  uint64_t stream_position = 0;  // bytes of the stream before the offending frame or byte
};

// Since the server was created; `connections` is what is open now. Payloads and bytes are counted
// when they have been appended.
struct Counters {
  uint64_t connections = 0;
  uint64_t accepted = 0;
  uint64_t rejected = 0;
  uint64_t payloads = 0;
  uint64_t bytes = 0;
  // Unfinished frames that were dropped because their connection ended or was reset inside them.
  uint64_t truncated = 0;
  // Memory that unfinished frames hold now.
  uint64_t buffer_bytes = 0;
};

class IngestServer {
 public:
  using RejectHandler = std::function<void(const RejectedConnection&)>;

  // `listener` is a listening stream socket, which siblings may share; it is made non-blocking.
  // `scoreboard` may be null (no siblings); it and `clock` must outlive the server. InvalidArgument
  // for options outside their limits.
  static absl::StatusOr<std::unique_ptr<IngestServer>> Create(
      asio::io_context& io, IngestOptions options, ScopedFd listener, Scoreboard* scoreboard,
      JournalPort journal, Clock& clock, RejectHandler on_reject);
  ~IngestServer();

  // Begins to accept. Once.
  void Start();
  // Accepts no more, lets open connections end until `timeout`; then ends its side of those that
  // are left, reads what they still send for kDrainLinger, closes them, appends everything and
  // calls `done` (never from within this call). May be repeated with another timeout; an empty
  // `done` leaves the one that was given.
  void Drain(absl::Duration timeout, std::function<void()> done);
  // Closes everything now; what has been received is appended. Producers of what is not safe then
  // see a reset. A pending Drain's `done` is called.
  void StopNow();

  // JournalPort::safe_end has grown: tells the producers that wait for it.
  void OnSafe();
  // The journal has failed outside of append, as when it could not be synced.
  void OnJournalFailed(const absl::Status& status);

  Counters counters() const;
  // Why nothing is being read now ("disk full: …"); "" when it is.
  std::string blocked_reason() const;

 private:
  class Impl;
  explicit IngestServer(std::shared_ptr<Impl> impl);

  std::shared_ptr<Impl> impl_;  // shared with the handlers that are still under way
};

}  // namespace center::ingest
