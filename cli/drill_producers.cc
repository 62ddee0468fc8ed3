#include "cli/drill_producers.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "absl/time/clock.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// A connection that is not closed by then has been forgotten by its worker.
constexpr absl::Duration kCloseTimeout = absl::Seconds(30);
// After Stop, how long a producer goes on trying to get rid of what it has not had acknowledged.
constexpr absl::Duration kLastTries = absl::Seconds(30);
constexpr absl::Duration kAfterFailure = absl::Milliseconds(5);
// Short ones follow each other quickly, but do not use up the ports of this machine.
constexpr absl::Duration kBetweenShort = absl::Milliseconds(4);
constexpr uint32_t kPayloadsPerSend = 8;
constexpr uint32_t kShortPayloadsMax = 16;
constexpr uint32_t kLongPayloadsMin = 800;
constexpr uint32_t kLongPayloadsMax = 4000;

}  // namespace

DrillProducers::DrillProducers(DrillLoad load, DrillLedger* ledger)
    : load_(std::move(load)), ledger_(ledger) {
  for (uint32_t i = 0; i < load_.producers; ++i) {
    threads_.emplace_back([this, i] { Run(i); });
  }
}

void DrillProducers::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void DrillProducers::Pause(absl::Duration duration) const {
  if (!stop_.load()) absl::SleepFor(duration);
}

void DrillProducers::Run(uint32_t producer) {
  std::mt19937_64 random(load_.seed * 1'000'003 + producer);
  const bool is_long = producer % 2 == 1;
  const auto between = [&random](uint32_t least, uint32_t most) {
    return std::uniform_int_distribution<uint32_t>(least, most)(random);
  };
  uint32_t to_resend = 0;
  absl::Time give_up = absl::InfiniteFuture();
  while (to_resend > 0 || !stop_.load()) {
    if (stop_.load()) give_up = std::min(give_up, absl::Now() + kLastTries);
    if (absl::Now() >= give_up || load_.hopeless()) return;
    const bool again = to_resend > 0;
    const uint32_t count = again     ? to_resend
                           : is_long ? between(kLongPayloadsMin, kLongPayloadsMax)
                                     : between(1, kShortPayloadsMax);
    uint32_t tried = 0;
    const absl::Status sent = SendOver(
        count, to_resend, is_long && !again ? load_.between_sends : absl::ZeroDuration(), &tried);
    if (sent.ok()) {
      to_resend = 0;
      if (!is_long) Pause(kBetweenShort);
    } else {
      if (!again) to_resend = tried;
      absl::SleepFor(kAfterFailure);
    }
  }
}

absl::Status DrillProducers::SendOver(uint32_t count, uint32_t resent, absl::Duration pause,
                                      uint32_t* tried) {
  const SteadyTime start = RealClock().Steady();
  const absl::StatusOr<ScopedFd> fd = ConnectToTarget(load_.target);
  if (!fd.ok()) {
    ledger_->ConnectFailed(start, RealClock().Steady(), fd.status().message());
    return fd.status();
  }
  const uint32_t connection = ledger_->Connected(start, RealClock().Steady(), resent);
  const timeval bound = absl::ToTimeval(kCloseTimeout);
  absl::Status status;
  if (::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound) != 0) {
    status = ErrnoStatus(errno, "setsockopt SO_SNDTIMEO");
  }
  std::string text;
  while (status.ok() && *tried < count) {
    if (pause > absl::ZeroDuration() && stop_.load()) break;  // a long one that ends early
    text.clear();
    const uint32_t end = std::min(count, *tried + kPayloadsPerSend);
    for (; *tried < end; ++*tried) {
      AppendFrame(load_.framing, DrillPayloadText({connection, *tried}, load_.run), &text);
    }
    ledger_->Sending(connection, *tried);
    status = SendAll(fd->get(), text, load_.target);
    if (status.ok() && pause > absl::ZeroDuration()) Pause(pause);
  }
  if (status.ok()) status = FinishSending(fd->get(), kCloseTimeout, load_.target);
  if (status.ok()) {
    ledger_->Acknowledged(connection, RealClock().Steady());
  } else {
    ledger_->Broken(connection, RealClock().Steady(), status.message());
  }
  return status;
}

}  // namespace center::cli
