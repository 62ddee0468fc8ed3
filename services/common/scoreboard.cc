#include "services/common/scoreboard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "absl/strings/str_cat.h"

namespace center {

// A cache line of its own, so that one worker's counting does not slow the others.
struct alignas(64) Scoreboard::Line {
  std::atomic<uint32_t> state;
  std::atomic<uint32_t> connections;
  std::atomic<int64_t> tick_ms;
};

namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kLinesBytes = Scoreboard::kSlotsMax * kLineBytes;
constexpr size_t kFileBytes = kLinesBytes + Scoreboard::kSlotsMax * sizeof(FlightRecorder);
static_assert(kLinesBytes % alignof(FlightRecorder) == 0);
static_assert(std::atomic<int64_t>::is_always_lock_free, "locks do not work across processes");

}  // namespace

absl::StatusOr<ScopedFd> Scoreboard::CreateMemfd() {
  ScopedFd fd(::memfd_create("center-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create");
  if (::ftruncate(fd.get(), kFileBytes) != 0)
    return ErrnoStatus(errno, "ftruncate of the scoreboard");
  // Nobody can shrink it under the others: that would be a SIGBUS in each of them.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "sealing the scoreboard");
  }
  return fd;
}

absl::StatusOr<std::unique_ptr<Scoreboard>> Scoreboard::Map(int fd) {
  static_assert(sizeof(Line) == kLineBytes);
  struct stat status{};
  if (::fstat(fd, &status) != 0) return ErrnoStatus(errno, "fstat of the scoreboard");
  if (status.st_size < static_cast<off_t>(kFileBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("descriptor ", fd, " is no scoreboard: it has ",
                                                   status.st_size, " bytes, not ", kFileBytes));
  }
  void* memory = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "mmap of the scoreboard");
  // A fresh memfd is all zero, which is a valid state of every line and recorder.
  auto* recorders =
      reinterpret_cast<FlightRecorder*>(static_cast<unsigned char*>(memory) + kLinesBytes);
  return std::unique_ptr<Scoreboard>(new Scoreboard(static_cast<Line*>(memory), recorders));
}

Scoreboard::~Scoreboard() { ::munmap(lines_, kFileBytes); }

void Scoreboard::SetState(uint32_t slot, State state) {
  lines_[slot].state.store(static_cast<uint32_t>(state), std::memory_order_release);
}

void Scoreboard::SetConnections(uint32_t slot, uint32_t connections) {
  lines_[slot].connections.store(connections, std::memory_order_release);
}

void Scoreboard::Tick(uint32_t slot, int64_t now_ms) {
  lines_[slot].tick_ms.store(now_ms, std::memory_order_release);
}

Scoreboard::Slot Scoreboard::Read(uint32_t slot) const {
  const Line& line = lines_[slot];
  return {.state = static_cast<State>(line.state.load(std::memory_order_acquire)),
          .connections = line.connections.load(std::memory_order_acquire),
          .tick_ms = line.tick_ms.load(std::memory_order_acquire)};
}

absl::optional<uint32_t> Scoreboard::LeastLoadedSibling(uint32_t slot, int64_t now_ms) const {
  absl::optional<uint32_t> least;
  for (uint32_t i = 0; i < kSlotsMax; ++i) {
    if (i == slot) continue;
    const Slot sibling = Read(i);
    if (sibling.state != State::kAccepting || now_ms - sibling.tick_ms > kStaleMs) continue;
    if (!least.has_value() || sibling.connections < *least) least = sibling.connections;
  }
  return least;
}

int64_t Scoreboard::MonotonicMs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace center
