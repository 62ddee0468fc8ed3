// Follows a collection of objects: a list, then a watch from where the list ended, again and again.
//
//   LIST ── all pages ──▶ WATCH ── ended in order ──▶ WATCH from the last resourceVersion …
//    ▲  │ error             │ 410 (too old), or an event that cannot be read
//    │  ▼                   │
//    └─ pause ◀─────────────┘ (other errors: pause, then WATCH from the last resourceVersion)
//
// Bookmarks move the resourceVersion on while nothing changes, so that a watch that begins anew
// finds its place. The pauses double, with jitter, from pause_min to pause_max, or are what the
// server asks for (Retry-After); they are forgotten once a watch has brought something.
//
// Memory is bounded: pages, the number of objects, the length of an event.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/coordinator/kube/json.h"
#include "services/coordinator/kube/transport.h"

namespace center::kube {

struct ListWatchOptions {
  std::string collection;  // "/apis/apps/v1/namespaces/center/statefulsets"
  std::string selector;    // of labels; "": all
  uint32_t page_size = 500;
  size_t objects_max = 20'000;
  size_t event_bytes_max = size_t{4} << 20;
  absl::Duration watch_time = absl::Minutes(5);  // of one watch, more or less
  absl::Duration pause_min = absl::Milliseconds(200);
  absl::Duration pause_max = absl::Seconds(30);
  // Numbers in [0, 1), for jitter.
  std::function<double()> random;
};

// Owned and used by one thread.
class ListWatch {
 public:
  enum class Change { kPut, kGone };
  struct Handlers {
    // All there is now: what was known before and is not in it has gone.
    std::function<void(std::vector<Json>)> on_list;
    std::function<void(Change, Json)> on_change;
    // It does not work (any more), or works again (OK). Only when its kind changes.
    std::function<void(const absl::Status&)> on_health;
  };

  // The transport must outlive this.
  ListWatch(Transport& transport, ListWatchOptions options, Handlers handlers);

  // Lists, if that is due, and watches until the watch ends. Returns how long to pause before the
  // next round. After Transport::Interrupt it returns soon, without having called anything.
  absl::Duration Round();

  const std::string& resource_version() const { return version_; }

 private:
  absl::Status List();
  absl::Status Watch();
  // One line of a watch. An error ends the watch.
  absl::Status TakeEvent(absl::string_view line);
  absl::Duration PauseAfter(const absl::Status& status);
  void Tell(const absl::Status& status);

  Transport& transport_;
  const ListWatchOptions options_;
  const Handlers handlers_;
  std::string version_;  // "": a list is due
  uint32_t failures_ = 0;
  absl::Duration retry_after_;
  bool seen_ = false;  // this round's watch has brought something
  absl::StatusCode told_ = absl::StatusCode::kOk;
};

}  // namespace center::kube
