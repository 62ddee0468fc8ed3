// Where the workers of each server can be reached: what the control plane knows and the relay
// needs.
//
// The control plane writes it on every change of a slot; the streams read it and are told of
// changes. Thread-safe; outlives the relay.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace center::relay {

struct WorkerEndpoint {
  std::string worker;       // "<server>/<slot>"
  std::string address;      // "unix:/…" or "host:port"; "" while the worker is not up
  uint64_t generation = 0;  // differs for every process of the slot, and grows
  // The slot was scaled away: nothing new comes there. Somebody who wants to read what it has
  // journalled says so (Want) and waits for an address, or for why there will be none.
  bool archived = false;
  std::string error = {};  // of an archived one

  bool operator==(const WorkerEndpoint& other) const = default;
};

class WorkerDirectory {
 public:
  struct Snapshot {
    std::vector<WorkerEndpoint> workers;
    bool running = false;  // false: the server is stopped or stopping

    bool operator==(const Snapshot& other) const = default;
  };

  // Ends the watch when destroyed; a callback that is under way may still end after that.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept;
    Watch& operator=(Watch&& other) noexcept;
    ~Watch();

   private:
    friend class WorkerDirectory;
    Watch(WorkerDirectory* directory, uint64_t id) : directory_(directory), id_(id) {}
    WorkerDirectory* directory_ = nullptr;
    uint64_t id_ = 0;
  };

  // Replaces what is known of `server`. Stopped servers stay known (running false): only then are
  // their subscriptions found. Does nothing when nothing changed; otherwise calls the watchers, on
  // this thread, with no lock held.
  void SetServer(absl::string_view server, std::vector<WorkerEndpoint> workers, bool running);
  // Who is told by Want; before the first stream.
  void SetOnWanted(std::function<void(const std::string& server)> on_wanted);
  // The archived workers of `server` are to be made readable. Any thread.
  void Want(const std::string& server) const;

  // Forgets `server`, and calls the watchers.
  void RemoveServer(absl::string_view server);

  // NotFound with reason SERVER_NOT_FOUND.
  absl::StatusOr<Snapshot> Get(absl::string_view server) const;

  // Calls `on_change` after every change of `server` (known or not), on the changing thread. It may
  // call Get.
  [[nodiscard]] Watch AddWatch(absl::string_view server, std::function<void()> on_change);

 private:
  using Callback = std::shared_ptr<const std::function<void()>>;
  struct Watcher {
    std::string server;
    Callback on_change;
  };

  void RemoveWatch(uint64_t id);
  std::vector<Callback> WatchersOf(absl::string_view server) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  std::function<void(const std::string&)> on_wanted_;  // constant once streams exist

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Snapshot> servers_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_watch_id_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace center::relay
