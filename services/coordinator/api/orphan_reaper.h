// Ends worker processes that an earlier coordinator left behind and that no slot wants any more
// (the others are adopted): SIGTERM, then SIGKILL when they take too long. They are no children of
// ours, so their end is seen through pidfds, which one thread polls for as long as there are any.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

// Thread-safe. Destroying it forgets the processes that still live; nothing is called back then.
class OrphanReaper {
 public:
  // `post` runs a function on the thread that wants to be called back.
  explicit OrphanReaper(std::function<void(std::function<void()>)> post);
  ~OrphanReaper();
  OrphanReaper(const OrphanReaper&) = delete;
  OrphanReaper& operator=(const OrphanReaper&) = delete;

  // Asks the process to end and calls back when it has. False, and nothing is called, when it does
  // not live any more (another process with its pid is left alone).
  bool End(const state::ProcessRecord& process, absl::Duration grace, std::function<void()> ended);

 private:
  struct Orphan {
    std::string worker;
    int64_t pid = 0;
    ScopedFd pidfd;
    SteadyTime kill_time;
    std::function<void()> ended;
  };

  void Run();
  // Takes over what was added; false: stop.
  bool TakeAdded(std::vector<Orphan>* orphans);

  const std::function<void(std::function<void()>)> post_;
  ScopedFd wake_;  // eventfd
  absl::Mutex mutex_;
  std::vector<Orphan> added_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);  // started with the first orphan
};

}  // namespace center::coordinator
