// What this process leaves behind when it ends: for a fatal signal a symbolised stack on stderr,
// for an uncaught exception what it says, and in the flight recorder how it ended and who asked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/fd.h"
#include "services/common/scoreboard.h"
#include "services/common/signal_sender.h"

namespace center::worker {

// Allows this process (the coordinator) and its children to take our stacks, where the system would
// allow that to our ancestors alone (Yama's ptrace_scope 1): its helper is none.
void AllowStacksTo(int32_t pid);

// One in a process, for as long as it lives; main thread, before there are others.
class LastWords {
 public:
  // Installs the handlers. A sanitizer's own are left alone: they say more. `program` is argv[0].
  explicit LastWords(const char* program);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

  // From now on the recorder of `slot` on this scoreboard is written. REQUIRES: slot < kSlotsMax.
  absl::Status Record(int scoreboard_fd, uint32_t slot);
  // Who has asked this process to end.
  void AskedBy(const SignalSender& sender);
  // The last thing before it returns from main; returns `code`.
  int Exit(int code);

 private:
  std::unique_ptr<Scoreboard> scoreboard_;
};

}  // namespace center::worker
