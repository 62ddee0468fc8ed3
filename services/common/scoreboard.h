// What the workers of one server tell each other, so that they accept connections fairly: a shared
// memory file with one cache line per slot, no locks and no system calls.
//
// The coordinator creates the file (CreateMemfd) and hands its descriptor to every worker of the
// server; each maps it. A slot's line is written by the worker in that slot alone, and read by all.
// What is read may be a moment old: good enough for a decision that is made anew a millisecond
// later.
//
// Behind the lines, the file holds a flight recorder per slot (flight_recorder.h), for the
// coordinator.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "services/common/fd.h"
#include "services/common/flight_recorder.h"

namespace center {

class Scoreboard {
 public:
  static constexpr uint32_t kSlotsMax = 256;
  // A slot whose last tick is older than this is taken for dead, stopped or hung.
  static constexpr int64_t kStaleMs = 1000;

  enum class State : uint32_t {
    kUnused = 0,     // no worker, or one that has ended
    kAccepting = 1,  // takes connections
    kHolding = 2,    // alive, but takes none now: full, blocked or draining
  };

  struct Slot {
    State state = State::kUnused;
    uint32_t connections = 0;
    int64_t tick_ms = 0;
  };

  // A new, empty scoreboard. The descriptor is CLOEXEC, its size is sealed.
  static absl::StatusOr<ScopedFd> CreateMemfd();
  // Maps a scoreboard; `fd` may be closed afterwards. InvalidArgument when the file is too short.
  static absl::StatusOr<std::unique_ptr<Scoreboard>> Map(int fd);

  ~Scoreboard();
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  // The writer's side, for the worker in `slot` only. REQUIRES: slot < kSlotsMax.
  void SetState(uint32_t slot, State state);
  void SetConnections(uint32_t slot, uint32_t connections);
  void Tick(uint32_t slot, int64_t now_ms);

  Slot Read(uint32_t slot) const;

  // The fewest connections among the other slots that are accepting and have ticked within
  // kStaleMs; nothing when there is no such slot.
  absl::optional<uint32_t> LeastLoadedSibling(uint32_t slot, int64_t now_ms) const;

  // REQUIRES: slot < kSlotsMax. Lives as long as this.
  FlightRecorder& recorder(uint32_t slot) const { return recorders_[slot]; }

  // CLOCK_MONOTONIC in milliseconds: the same in every process of a machine.
  static int64_t MonotonicMs();

 private:
  struct Line;
  Scoreboard(Line* lines, FlightRecorder* recorders) : lines_(lines), recorders_(recorders) {}

  // kSlotsMax of each, in the shared mapping.
  Line* const lines_;
  FlightRecorder* const recorders_;
};

}  // namespace center
