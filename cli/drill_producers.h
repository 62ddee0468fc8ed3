// The producers of `drill`: each sends numbered payloads over one connection after the other, waits
// for the close that says they are stored, and sends again what was on a connection that broke.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/drill_ledger.h"
#include "cli/tcp.h"

namespace center::cli {

struct DrillLoad {
  Target target;
  // Every second producer has long connections, which send something every `between_sends`, 500
  // times at most; the others have short ones.
  uint32_t producers = 8;
  absl::Duration between_sends = absl::Milliseconds(2);
  uint64_t seed = 1;
  Framing framing = Framing::kLine;
  std::string run;  // see drill_ledger.h
  // True: there is nobody left who could take anything; Stop ends at once.
  std::function<bool()> hopeless;
};

// Runs from construction until Stop. The ledger must outlive it.
class DrillProducers {
 public:
  DrillProducers(DrillLoad load, DrillLedger* ledger);
  ~DrillProducers() { Stop(); }
  DrillProducers(const DrillProducers&) = delete;
  DrillProducers& operator=(const DrillProducers&) = delete;

  // Ends open connections in order; what is on a broken one is sent again first. Bounded in time.
  void Stop();

 private:
  void Run(uint32_t producer);
  // Sends `count` payloads over a connection of its own, `resent` of them for the second time, and
  // waits for the close. Adds to *tried how many may have left. A long one takes its time.
  absl::Status SendOver(uint32_t count, uint32_t resent, absl::Duration pause, uint32_t* tried);
  // Sleeps, but not beyond Stop.
  void Pause(absl::Duration duration) const;

  const DrillLoad load_;
  DrillLedger* const ledger_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace center::cli
