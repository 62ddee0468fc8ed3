// The inside of IngestServer; see ingest_server.h for what it does. Its parts:
//   ingest_server.cc    options, construction, the public class
//   server_lifecycle.cc start, drain, stop, the tick, appending and backpressure
//   server_reading.cc   accepted connections, and what is received from them
//   server_endings.cc   what their producers are told in the end, and the end of a drain
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "asio/steady_timer.hpp"
#include "services/worker/ingest/acceptor.h"
#include "services/worker/ingest/batch_group.h"
#include "services/worker/ingest/carry.h"
#include "services/worker/ingest/connection.h"
#include "services/worker/ingest/ingest_server.h"

namespace center::ingest {

// The most that one recv takes, and so the most that one connection gets in a turn.
inline constexpr size_t kReadBytes = 256 << 10;
// A longer unfinished frame is received into its own buffer rather than copied in front of new
// bytes with every read.
inline constexpr size_t kCarryCopyBytesMax = 64 << 10;

class IngestServer::Impl : public std::enable_shared_from_this<IngestServer::Impl> {
 public:
  Impl(asio::io_context& io, IngestOptions options, Scoreboard* scoreboard, JournalPort journal,
       Clock& clock, RejectHandler on_reject);

  absl::Status Open(ScopedFd listener);
  void Start();
  void Drain(absl::Duration timeout, std::function<void()> done);
  void Stop();
  void EndWhatIsSafe();
  void Fail(const absl::Status& status);

  Counters counters() const;
  std::string blocked_reason() const;

 private:
  enum class State { kCreated, kAccepting, kDraining, kStopped };
  enum class ReadOutcome {
    kDrained,  // nothing more for now
    kMore,     // there may be more
    kEnded,    // the connection is closed
    kBlocked,  // the journal takes nothing; nothing was read
  };
  // How often a refusal by one limit is told, in milliseconds of steady time.
  static constexpr int64_t kLimitNoticeMs = 1000;
  // A connection that has ended, but whose producer has not been told.
  struct Ending {
    uint64_t end_offset = 0;  // all that it sent is below
    std::shared_ptr<Connection> connection;
  };
  struct LimitNotice {
    int64_t last_ms = -kLimitNoticeMs;
    uint64_t since = 0;  // refused since then
  };

  // server_lifecycle.cc
  void PublishState();
  void ScheduleTick();
  void Tick();
  void CheckTimeouts();
  void ScheduleFlush();
  bool Flush();  // false: the journal takes nothing now
  void Block(const absl::Status& status);
  void Unblock();
  void NotifyDrained();

  // server_endings.cc
  void Close(Connection& connection, ConnectionEnd end);
  // All that it sent is appended: closes it once that is safe.
  void EndInOrder(Connection& connection);
  uint64_t SafeEnd() const;
  void CloseAll(bool stored);
  void FinishDrainIfDone();
  void Linger(SteadyTime deadline);
  void ReadWhatIsThere();
  void EndAllInOrder();

  // server_reading.cc
  void OnAccept(ScopedFd socket, const sockaddr_storage& address);
  bool WithinLimits(const std::string& peer, absl::uint128 address);
  bool SendBanner(Connection& connection);
  void WaitForInput(std::shared_ptr<Connection> connection);
  void PostRead(std::shared_ptr<Connection> connection);
  void ReadTurn(const std::shared_ptr<Connection>& connection);
  ReadOutcome ReadOnce(Connection& connection);
  void ReserveForFrame(Connection& connection);
  void Process(Connection& connection, char* buffer, size_t size, bool in_carry);
  ReadOutcome OnStreamEnd(Connection& connection);
  void OnStreamError(Connection& connection, int error);
  void EnforceBufferBudget();
  void Reject(Connection& connection, RejectCause cause, std::string reason, uint64_t position);
  void Refuse(const std::string& peer, RejectCause cause, const std::string& reason);
  void CountTruncated(const Connection& connection, absl::string_view why, absl::string_view what);
  int64_t SteadyMs() const;

  // Constant after construction.
  asio::io_context& io_;
  const IngestOptions options_;
  Scoreboard* const scoreboard_;
  const JournalPort journal_;
  Clock& clock_;
  const RejectHandler on_reject_;
  const std::unique_ptr<uint32_t[]> sizes_;  // where a scan puts them; kBatchPayloadsMax

  // Any thread.
  BufferBudget budget_;
  std::atomic<uint64_t> connections_{0};
  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> rejected_{0};
  std::atomic<uint64_t> payloads_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> truncated_{0};
  mutable absl::Mutex mutex_;
  std::string blocked_reason_ ABSL_GUARDED_BY(mutex_);

  // The ingest thread.
  State state_ = State::kCreated;
  bool blocked_ = false;
  bool failed_ = false;
  bool acceptor_stuck_ = false;
  bool flush_posted_ = false;
  std::shared_ptr<Acceptor> acceptor_;
  ConnectionTable table_;
  BatchGroup group_;
  std::vector<std::shared_ptr<Connection>> paused_;  // readable, but the journal is full
  std::deque<Ending> ending_;                        // by ascending end_offset
  asio::steady_timer tick_timer_;
  int64_t last_tick_ms_ = 0;
  int64_t last_timeout_check_ms_ = 0;
  // Milliseconds that have passed while reading: producers are not to blame for the rest.
  int64_t reading_ms_ = 0;
  LimitNotice connection_limit_notice_;
  LimitNotice peer_limit_notice_;
  absl::optional<SteadyTime> drain_deadline_;
  absl::optional<SteadyTime> linger_deadline_;
  std::function<void()> on_drained_;
};

}  // namespace center::ingest
