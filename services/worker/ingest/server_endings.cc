#include <sys/socket.h>

#include <utility>

#include "asio/post.hpp"
#include "services/common/log.h"
#include "services/worker/ingest/server_impl.h"

namespace center::ingest {
namespace {

// At the end of a drain each connection is read this often at most: what its socket can hold.
constexpr int kFinalReadsMax = 64;

}  // namespace

void IngestServer::Impl::Close(Connection& connection, ConnectionEnd end) {
  table_.Close(connection, end);
  PublishState();
  if (state_ == State::kDraining && table_.size() == 0) {
    asio::post(io_, [self = shared_from_this()] { self->FinishDrainIfDone(); });
  }
}

uint64_t IngestServer::Impl::SafeEnd() const {
  return journal_.safe_end ? journal_.safe_end() : journal_.next_offset();
}

// What others have appended since is waited for as well: it is at most one group commit more.
void IngestServer::Impl::EndInOrder(Connection& connection) {
  const uint64_t end_offset = journal_.next_offset();
  if (SafeEnd() >= end_offset) return Close(connection, ConnectionEnd::kOrderly);
  connection.ended = true;
  connection.unfinished_since_ms = -1;
  connection.carry.Clear();
  ending_.push_back({end_offset, table_.OwnerOf(connection)});
}

void IngestServer::Impl::EndWhatIsSafe() {
  const uint64_t safe_end = SafeEnd();
  while (!ending_.empty() && ending_.front().end_offset <= safe_end) {
    const std::shared_ptr<Connection> connection = std::move(ending_.front().connection);
    ending_.pop_front();
    Close(*connection, ConnectionEnd::kOrderly);
  }
}

void IngestServer::Impl::CloseAll(bool stored) {
  EndWhatIsSafe();
  const bool safe = stored && SafeEnd() >= journal_.next_offset();
  while (table_.size() > 0) {
    const std::shared_ptr<Connection> connection = table_.all().back();
    const bool unfinished = connection->unfinished_since_ms >= 0;
    if (unfinished) CountTruncated(*connection, "the worker ends", "an unfinished frame");
    Close(*connection, safe && !unfinished ? ConnectionEnd::kOrderly : ConnectionEnd::kReset);
  }
  ending_.clear();
}

// Ends a drain when nobody is left, or the time is over and the producers have been told.
void IngestServer::Impl::FinishDrainIfDone() {
  if (state_ != State::kDraining) return;
  const SteadyTime now = clock_.Steady();
  if (now < *drain_deadline_ && (table_.size() > 0 || !Flush())) return;
  if (const size_t open = table_.size() - ending_.size(); open > 0) {
    if (!linger_deadline_.has_value()) return Linger(now + kDrainLinger);
    if (now < *linger_deadline_) return;
    spdlog::warn("drain timeout: closing {} connections that their producers have not ended", open);
    ReadWhatIsThere();
    if (Flush()) EndAllInOrder();
  }
  if (table_.size() > 0 && !blocked_ && !failed_) return;  // until it is safe what they sent
  Stop();
}

// To close a socket with bytes that were not read, or that are still on their way, resets the
// connection: the producer would lose its end of the stream, and an error would be all that it
// sees. So it is told by an end of our stream, and what it has sent until it has read that is
// stored.
void IngestServer::Impl::Linger(SteadyTime deadline) {
  linger_deadline_ = deadline;
  spdlog::info("drain timeout: asking the producers of {} connections to end",
               table_.size() - ending_.size());
  for (const auto& connection : table_.all()) {
    if (connection->ended) continue;  // to its producer this would say that all is safe
    // Fails only for a connection that its producer has just reset; reading tells.
    ::shutdown(connection->socket.native_handle(), SHUT_WR);
  }
}

void IngestServer::Impl::ReadWhatIsThere() {
  const std::vector<std::shared_ptr<Connection>> open = table_.all();
  for (const auto& connection : open) {
    int reads = 0;
    while (!connection->closed && !connection->ended && reads++ < kFinalReadsMax &&
           ReadOnce(*connection) == ReadOutcome::kMore) {
    }
  }
}

void IngestServer::Impl::EndAllInOrder() {
  const std::vector<std::shared_ptr<Connection>> open = table_.all();
  for (const auto& connection : open) {
    if (connection->closed || connection->ended) continue;
    if (connection->unfinished_since_ms >= 0) {
      CountTruncated(*connection, "the worker ends", "an unfinished frame");
      Close(*connection, ConnectionEnd::kReset);
    } else {
      EndInOrder(*connection);
    }
  }
}

}  // namespace center::ingest
