// From the registers and stacks of a snapshot to functions and lines, by the unwind tables and
// symbols of the files that the process has mapped (elfutils), and along frame pointers where there
// is no table. Reads untrusted memory and large files: to be run in a process of its own.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "services/coordinator/supervision/process_snapshot.h"
#include "services/coordinator/supervision/stacks.h"

namespace center::supervision {

class Unwinder {
 public:
  // Learns which files process `pid` has mapped: before its snapshot is taken, so that it need not
  // stand still for that.
  static absl::StatusOr<std::unique_ptr<Unwinder>> Open(int64_t pid);
  ~Unwinder();
  Unwinder(const Unwinder&) = delete;
  Unwinder& operator=(const Unwinder&) = delete;

  // Calls `sink` for each thread, in the order of the snapshot. Once.
  absl::Status Unwind(const ProcessSnapshot& snapshot,
                      const std::function<void(const ThreadStack&)>& sink);

 private:
  struct State;
  explicit Unwinder(std::unique_ptr<State> state);

  const std::unique_ptr<State> state_;
};

// What the hidden mode of the coordinator does: takes the stacks of `pid` and writes them, as
// stacks.h says, to `write`, piece by piece.
void DumpStacks(int64_t pid, const std::function<void(absl::string_view)>& write);

}  // namespace center::supervision
