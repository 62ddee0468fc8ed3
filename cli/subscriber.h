// Readers that count, and where a server's journals end: the other side of the benchmarks.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/context.h"
#include "cli/payload_stream.h"

namespace center::cli {

// For each worker of the server the offset that its next payload will get, asked from the workers
// themselves.
absl::StatusOr<v1::Cursor> JournalEnds(Context& context, const std::string& server);
// Payloads between two such answers.
uint64_t PayloadsBetween(const v1::Cursor& before, const v1::Cursor& after);

// What such a reader asks for.
v1::StreamPayloadsRequest FollowFrom(const std::string& server, const v1::Cursor& from);

// Reads a server's payloads from a cursor on, on a thread of its own, until it is stopped.
class Subscriber {
 public:
  // `visit` (may be null: payloads are only counted, without touching their bytes) is called on the
  // subscriber's thread for each payload.
  using Visit = std::function<void(absl::string_view payload)>;
  Subscriber(std::unique_ptr<PayloadSource> source, Visit visit);
  Subscriber(std::shared_ptr<grpc::Channel> channel, const std::string& server,
             const v1::Cursor& from, Visit visit)
      : Subscriber(RelayedPayloads(std::move(channel), FollowFrom(server, from)),
                   std::move(visit)) {}
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;
  ~Subscriber() { (void)Stop(); }

  uint64_t payloads() const { return payloads_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Payloads that the stream said are missing, and those of them that retention had deleted before
  // they were read: the price of reading slower than the retained bytes last, not a loss.
  uint64_t missing() const { return missing_.load(std::memory_order_relaxed); }
  uint64_t deleted() const { return deleted_.load(std::memory_order_relaxed); }
  bool ended() const { return ended_.load(); }
  SteadyTime last_receive() const { return SteadyTime(SteadyDuration(last_receive_.load())); }
  // Ends the stream; says why it ended by itself, if it did. May be called again.
  absl::Status Stop();

 private:
  void Run();

  const Visit visit_;
  PayloadStream stream_;
  std::atomic<uint64_t> payloads_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> missing_{0};
  std::atomic<uint64_t> deleted_{0};
  std::atomic<SteadyDuration::rep> last_receive_{0};
  std::atomic<bool> ended_{false};
  absl::Status status_;  // of the thread; read after join
  std::thread thread_;
};

// Waits until the subscriber has `payloads` (with what is missing), its stream has ended, or the
// time is over.
bool WaitForPayloads(const Subscriber& subscriber, uint64_t payloads, absl::Duration timeout,
                     const std::atomic<bool>& give_up);

}  // namespace center::cli
