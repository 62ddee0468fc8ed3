#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "services/common/log.h"
#include "services/worker/ingest/server_impl.h"

namespace center::ingest {
namespace {

// Siblings see by it that this worker lives; also the period of retries against a full journal.
constexpr std::chrono::milliseconds kTick{100};
// Timeouts are looked at no more often than this, so that ten thousand idle connections cost
// nothing.
constexpr int64_t kTimeoutCheckMsMax = 1000;
// Longer is the same to everybody, and does not overflow a deadline.
constexpr absl::Duration kDrainTimeoutMax = absl::Hours(24 * 365);

}  // namespace

int64_t IngestServer::Impl::SteadyMs() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Steady().time_since_epoch())
      .count();
}

void IngestServer::Impl::Start() {
  if (state_ != State::kCreated) return;
  state_ = State::kAccepting;
  last_tick_ms_ = SteadyMs();
  PublishState();
  ScheduleTick();
  acceptor_->Resume();
}

void IngestServer::Impl::Drain(absl::Duration timeout, std::function<void()> done) {
  if (done) on_drained_ = std::move(done);
  if (state_ == State::kStopped) return NotifyDrained();
  if (state_ == State::kCreated) {
    last_tick_ms_ = SteadyMs();
    ScheduleTick();
  }
  state_ = State::kDraining;
  drain_deadline_ =
      clock_.Steady() + absl::ToChronoNanoseconds(std::min(timeout, kDrainTimeoutMax));
  PublishState();
  acceptor_->Close();
  spdlog::info("draining: {} connections have {} to end", table_.size(),
               absl::FormatDuration(timeout));
  asio::post(io_, [self = shared_from_this()] { self->FinishDrainIfDone(); });
}

void IngestServer::Impl::Stop() {
  if (state_ == State::kStopped) return;
  acceptor_->Close();
  // Before the connections are closed: that tells their producers that everything is stored.
  const bool stored = Flush();
  if (state_ == State::kStopped) return;  // the journal has failed, which has stopped everything
  CloseAll(stored);
  if (!failed_ && !stored) {
    spdlog::error("{} received payloads ({} bytes) are lost: the journal takes nothing: {}",
                  group_.payloads(), group_.bytes(), blocked_reason());
  }
  state_ = State::kStopped;
  tick_timer_.cancel();
  paused_.clear();
  PublishState();
  NotifyDrained();
}

void IngestServer::Impl::NotifyDrained() {
  if (!on_drained_) return;
  asio::post(io_, std::exchange(on_drained_, nullptr));
}

void IngestServer::Impl::PublishState() {
  connections_.store(table_.size(), std::memory_order_relaxed);
  if (scoreboard_ == nullptr) return;
  Scoreboard::State shown = Scoreboard::State::kHolding;
  if (state_ == State::kCreated || state_ == State::kStopped) {
    shown = Scoreboard::State::kUnused;
  } else if (state_ == State::kAccepting && !blocked_ && !acceptor_stuck_ &&
             table_.size() < options_.max_connections) {
    shown = Scoreboard::State::kAccepting;
  }
  scoreboard_->SetConnections(options_.slot, static_cast<uint32_t>(table_.size()));
  scoreboard_->Tick(options_.slot, Scoreboard::MonotonicMs());
  scoreboard_->SetState(options_.slot, shown);
}

void IngestServer::Impl::ScheduleTick() {
  tick_timer_.expires_after(kTick);
  tick_timer_.async_wait([self = shared_from_this()](asio::error_code error) {
    if (!error && self->state_ != State::kStopped) self->Tick();
  });
}

void IngestServer::Impl::Tick() {
  const int64_t now_ms = SteadyMs();
  if (!blocked_) reading_ms_ += now_ms - last_tick_ms_;
  last_tick_ms_ = now_ms;
  PublishState();
  if (blocked_) Flush();
  if (!blocked_) CheckTimeouts();
  FinishDrainIfDone();
  if (state_ != State::kStopped) ScheduleTick();
}

void IngestServer::Impl::CheckTimeouts() {
  const int64_t frame_ms = absl::ToInt64Milliseconds(options_.frame_timeout);
  const int64_t idle_ms = absl::ToInt64Milliseconds(options_.idle_timeout);
  int64_t period_ms = kTimeoutCheckMsMax;
  if (frame_ms > 0) period_ms = std::min(period_ms, frame_ms / 4);
  if (idle_ms > 0) period_ms = std::min(period_ms, idle_ms / 4);
  if ((frame_ms <= 0 && idle_ms <= 0) || reading_ms_ - last_timeout_check_ms_ < period_ms) return;
  last_timeout_check_ms_ = reading_ms_;
  // From the back: closing one moves the last into its place.
  for (size_t i = table_.size(); i-- > 0;) {
    if (i >= table_.size()) continue;  // a handler has stopped the server
    const std::shared_ptr<Connection> connection = table_.all()[i];
    if (connection->ended) continue;
    const int64_t since = connection->unfinished_since_ms;
    const uint64_t position = connection->framer.position();
    if (frame_ms > 0 && since >= 0 && reading_ms_ - since >= frame_ms) {
      Reject(*connection, RejectCause::kFrameTimeout,
             absl::StrCat("the frame at position ", position, " is unfinished after ",
                          absl::FormatDuration(options_.frame_timeout)),
             position);
    } else if (idle_ms > 0 && reading_ms_ - connection->last_read_ms >= idle_ms) {
      Reject(*connection, RejectCause::kIdleTimeout,
             absl::StrCat("nothing came for ", absl::FormatDuration(options_.idle_timeout)),
             position + connection->carry.size());
    }
  }
}

void IngestServer::Impl::ScheduleFlush() {
  if (flush_posted_) return;
  flush_posted_ = true;
  // Behind the handlers of this turn: what they receive goes out with the same append.
  asio::post(io_, [self = shared_from_this()] {
    self->flush_posted_ = false;
    if (self->state_ != State::kStopped) self->Flush();
  });
}

bool IngestServer::Impl::Flush() {
  if (failed_) return false;
  const uint64_t payloads = group_.payloads();
  const uint64_t bytes = group_.bytes();
  const absl::Status status = group_.Flush();
  if (status.ok()) {
    payloads_.fetch_add(payloads, std::memory_order_relaxed);
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (blocked_) Unblock();
    return true;
  }
  if (absl::IsResourceExhausted(status)) {
    Block(status);
  } else {
    Fail(status);
  }
  return false;
}

void IngestServer::Impl::Block(const absl::Status& status) {
  std::string reason = journal_.blocked_reason ? journal_.blocked_reason() : "";
  if (reason.empty()) reason = std::string(status.message());
  if (!blocked_) spdlog::warn("not reading from producers: {}", reason);
  {
    absl::MutexLock lock(&mutex_);
    blocked_reason_ = std::move(reason);
  }
  if (blocked_) return;
  blocked_ = true;
  acceptor_->Pause();
  PublishState();
}

void IngestServer::Impl::Unblock() {
  blocked_ = false;
  {
    absl::MutexLock lock(&mutex_);
    blocked_reason_.clear();
  }
  spdlog::info("reading from producers again");
  if (state_ == State::kAccepting) acceptor_->Resume();
  PublishState();
  for (auto& connection : std::exchange(paused_, {})) PostRead(std::move(connection));
}

void IngestServer::Impl::Fail(const absl::Status& status) {
  if (failed_) return;
  failed_ = true;
  spdlog::critical("the journal has failed; {} received payloads were not stored: {}",
                   group_.payloads(), status);
  Stop();
  // Not from within the read or tick that is under way.
  asio::post(io_, [self = shared_from_this(), status] {
    if (self->journal_.on_failure) return self->journal_.on_failure(status);
    self->io_.stop();
  });
}

}  // namespace center::ingest
