// What this worker keeps for its coordinator, and brings to the next one: its listening socket, the
// scoreboard, and the pipes of its own output. See services/common/handover.h.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/common/handover.h"
#include "services/worker/api/inherited_fds.h"

namespace center::worker {

// A coordinator that has died reads our output no more. The pipes do not break, because we hold
// their other ends as well, but they fill: from then on what is written is dropped, rather than
// that the writer waits for ever. Does nothing without these pipes: a terminal is left as it is.
void NeverWaitForOutput(const InheritedFds& fds);

// One thread.
class HandoverClient {
 public:
  // How often Tick tries before it waits for the coordinator to ask again.
  static constexpr int kAttemptsMax = 20;

  // Copies the descriptors that there are.
  static absl::StatusOr<HandoverClient> Create(std::string worker, std::string token,
                                               const InheritedFds& fds);

  // A coordinator wants what is kept, at this path. Sent at once when that can be done.
  void Ask(const std::string& path);
  // Tries again what could not be sent.
  void Tick();
  // We accept no more: our copy of the listening socket must not keep producers waiting.
  void DropListener() { kept_.listener.Reset(); }
  // There is a listening socket to hand over.
  bool CanBringListener() const;
  // A coordinator has asked, and has not got it yet.
  bool pending() const { return !path_.empty(); }

 private:
  explicit HandoverClient(Handover kept) : kept_(std::move(kept)) {}

  Handover kept_;
  std::string path_;  // "": nobody asks
  int attempts_ = 0;
};

}  // namespace center::worker
