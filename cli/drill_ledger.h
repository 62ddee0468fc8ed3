// The books of `drill`: what its producers sent and were told, and whether that agrees with what
// the journals hold and with what a subscriber saw. Nothing here does I/O.
//
// A payload is known by the connection that sent it and its number on it, so that a copy which is
// sent again over another connection is another payload: what a producer sends twice is never taken
// for something that Center stored twice. Where others store payloads as well, those of a drill
// begin with the name of its run.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "services/common/clock.h"

namespace center::cli {

struct DrillPayload {
  uint32_t connection = 0;
  uint32_t sequence = 0;  // on that connection, from 0
};

// "17,4 xxxxx 9c3f01aa": connection, number, a filling whose length differs, and the CRC32C of what
// is before it. No line feed. Of a run that has a name: "RUN:17,4 xxxxx 2b31fa88".
std::string DrillPayloadText(DrillPayload payload, absl::string_view run = "");
// Nothing when the text is none of this run, or its checksum is wrong.
absl::optional<DrillPayload> ParseDrillPayload(absl::string_view text, absl::string_view run = "");
// What every payload of a run begins with; empty for one without a name.
std::string DrillPayloadPrefix(absl::string_view run);

// How often each payload was found in one place. Not thread-safe.
class DrillTally {
 public:
  struct Connection {
    std::string worker;           // "<server>/<slot>": who stored it
    std::vector<uint8_t> copies;  // by sequence; stops at 255
    bool operator==(const Connection& other) const = default;
  };

  // Counts the payloads of this run. Without a name, there is nobody else: all payloads are its.
  explicit DrillTally(absl::string_view run = "") : prefix_(DrillPayloadPrefix(run)) {}

  void Add(absl::string_view worker, absl::string_view text);
  // Null when nothing of it was found.
  const Connection* Find(uint32_t connection) const;
  // Whether the other one has found the same payloads, each as often, of the same workers.
  bool SameAs(const DrillTally& other) const { return connections_ == other.connections_; }
  uint64_t payloads() const { return payloads_; }
  // Payloads that no producer can have sent: their checksum is wrong.
  uint64_t damaged() const { return damaged_; }
  const std::map<uint32_t, Connection>& connections() const { return connections_; }
  // How many of the payloads each worker has stored.
  std::map<std::string, uint64_t> PayloadsByWorker() const;

 private:
  std::string prefix_;
  std::map<uint32_t, Connection> connections_;
  uint64_t payloads_ = 0;
  uint64_t damaged_ = 0;
};

// What happened in one row of the drill. `connects` is attempts; payloads are counted unless it
// says connections.
struct DrillFigures {
  uint64_t connects = 0;      // attempts to connect
  uint64_t refused = 0;       // of these, how many failed, for whatever reason
  uint64_t reset = 0;         // connections that broke although their worker was left alone
  uint64_t cut = 0;           // connections that ended with the worker that the drill ended, and
                              // connects that failed meanwhile, where it took its socket along
  uint64_t acknowledged = 0;  // the worker has closed in order after the producer's last byte
  uint64_t resent = 0;        // sent again, because their connection had broken
  uint64_t lost = 0;          // acknowledged, seen or overtaken, but not in the journals
  uint64_t duplicated = 0;    // in the journals, or seen, more often than sent
  uint64_t unseen = 0;        // in the journals, but never shown to the subscriber
  uint64_t damaged = 0;       // in the journals, but not as anybody sent it
  SteadyDuration slowest_connect{};

  bool clean() const {
    return refused == 0 && reset == 0 && lost == 0 && duplicated == 0 && unseen == 0 &&
           damaged == 0;
  }
  DrillFigures& operator+=(const DrillFigures& other);
};

// Thread-safe. A row: BeginRow, then producers report, then Settle.
class DrillLedger {
 public:
  // Whether a worker that ends leaves the listening socket to its siblings, or takes its own along,
  // so that connects fail until producers are sent elsewhere.
  enum class Sockets { kShared, kOwn };
  explicit DrillLedger(Sockets sockets = Sockets::kShared) : sockets_(sockets) {}

  void BeginRow() ABSL_LOCKS_EXCLUDED(mutex_);

  // ---- Producers
  // A new connection; the answer is its number. `resent`: payloads of a broken one that go over it.
  uint32_t Connected(SteadyTime since, SteadyTime now, uint64_t resent) ABSL_LOCKS_EXCLUDED(mutex_);
  void ConnectFailed(SteadyTime since, SteadyTime now, absl::string_view why)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Payloads up to `count` may have left. To be called before they do.
  void Sending(uint32_t connection, uint32_t count) ABSL_LOCKS_EXCLUDED(mutex_);
  void Acknowledged(uint32_t connection, SteadyTime now) ABSL_LOCKS_EXCLUDED(mutex_);
  void Broken(uint32_t connection, SteadyTime now, absl::string_view why)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // ---- The drill
  // It has stopped or killed this worker: what the worker had open at any time in between is gone.
  void Fault(std::string worker, SteadyTime from, SteadyTime to) ABSL_LOCKS_EXCLUDED(mutex_);
  // Compares. `seen`: by the subscriber. What one row has reported no later one reports again.
  DrillFigures Settle(const DrillTally& seen, const DrillTally& stored) ABSL_LOCKS_EXCLUDED(mutex_);

  // Of all rows.
  uint64_t acknowledged_connections() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The first few things that went wrong, for people: "connect: Connection refused (12 times)".
  std::vector<std::string> notes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class End { kOpen, kAcknowledged, kBroken };
  struct Entry {
    SteadyTime opened;
    SteadyTime ended;
    End end = End::kOpen;
    bool end_settled = false;
    uint32_t sent = 0;
    std::string why;  // of a broken one
    // Reported by a row already.
    uint32_t lost = 0;
    uint32_t duplicated = 0;
    uint32_t unseen = 0;
  };
  struct Interval {
    std::string worker;
    SteadyTime from;
    SteadyTime to;
  };

  struct FailedConnect {
    SteadyTime from;
    SteadyTime to;
    std::string why;
  };

  void Note(std::string text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleConnects() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleEnd(Entry& entry, uint32_t number, const DrillTally::Connection* stored)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettlePayloads(Entry& entry, uint32_t number, const DrillTally::Connection* seen,
                      const DrillTally::Connection* stored) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a fault of this worker (of any, when it is not known) falls into this time.
  bool WasCut(absl::string_view worker, SteadyTime from, SteadyTime to) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Sockets sockets_;
  mutable absl::Mutex mutex_;
  std::vector<Entry> connections_ ABSL_GUARDED_BY(mutex_);
  std::vector<FailedConnect> failed_connects_ ABSL_GUARDED_BY(mutex_);  // not settled yet
  std::vector<Interval> faults_ ABSL_GUARDED_BY(mutex_);
  DrillFigures row_ ABSL_GUARDED_BY(mutex_);
  uint64_t acknowledged_connections_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t damaged_ ABSL_GUARDED_BY(mutex_) = 0;                                 // reported already
  std::vector<std::pair<std::string, uint64_t>> notes_ ABSL_GUARDED_BY(mutex_);  // how often
};

}  // namespace center::cli
