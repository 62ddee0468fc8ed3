// Replaces the processes of a server one after the other, each when those before it serve.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "services/coordinator/supervision/backend.h"

namespace center::supervision {

// What a roll has to know of a slot.
struct RolledSlot {
  bool stays = false;       // it is there and not leaving
  bool serves = false;      // its process is READY
  bool given_up = false;    // it will not serve again by itself: nobody waits for it
  int64_t incarnation = 0;  // of the process, which are counted
  std::string process;      // another one for the one that replaces it
};

// Decides which is next; somebody else replaces it. Not thread-safe.
class RollOrder {
 public:
  enum class What { kWait, kReplace, kEnd };
  struct Step {
    What what = What::kWait;
    uint32_t slot = 0;  // kReplace
    RollResult result;  // kEnd
  };

  // `slots`, ascending, are to be replaced. Processes of an incarnation after `began` are new
  // anyhow. AlreadyExists when there is one already; NotFound when the only slot that was meant is
  // not among them.
  static absl::Status Begin(absl::string_view server, RollOptions options,
                            std::vector<uint32_t> slots, int64_t began,
                            absl::optional<RollOrder>* roll);

  // What is to be done now; to be asked again, after kReplace at once, whenever something has
  // changed.
  Step Next(const std::vector<RolledSlot>& slots);
  // It ends, because this slot's process did not become READY. Only the first one counts.
  void Fail(uint32_t slot, absl::string_view worker, absl::string_view reason);
  // What is to be called when it has ended.
  std::function<void()> Ended(RollResult result) &&;

  const RollOptions& options() const { return options_; }
  RollProgress progress() const { return {replaced_, total_}; }
  int64_t began() const { return began_; }
  bool IsCurrent(uint32_t slot) const { return current_ == slot; }
  bool IsPending(uint32_t slot) const;

 private:
  RollOrder(RollOptions options, std::vector<uint32_t> slots, int64_t began);
  // False: it is not replaced yet.
  bool CurrentIsDone(const std::vector<RolledSlot>& slots);
  absl::optional<uint32_t> NextSlot(const std::vector<RolledSlot>& slots) const;

  RollOptions options_;
  std::vector<uint32_t> pending_;     // still to be replaced
  absl::optional<uint32_t> current_;  // is being replaced
  std::string old_process_;           // of the current one
  int64_t began_;
  uint32_t replaced_ = 0;
  uint32_t total_;
  absl::optional<RollResult> failed_;
};

}  // namespace center::supervision
