// The coordinator's events: written to the log and the store, and told to those who follow them.
//
// A follower holds no queue: it is woken, reads a page from the store after the last event that it
// has passed on, and reads again when that page is written. A slow one costs nothing but that.
//
// Control thread only.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "center/v1/event.pb.h"
#include "services/common/clock.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

class EventLog {
 public:
  class Follower {
   public:
    virtual ~Follower() = default;
    // There are new events. Called on the control thread; must not block.
    virtual void OnNewEvents() = 0;
  };

  EventLog(state::Store& store, Clock& clock) : store_(store), clock_(clock) {}
  ~EventLog() { StoreWaiting(); }
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Gives the event an id, and a time when it has none. An event that cannot be stored is in the
  // log only.
  void Append(v1::Event event);
  // The same, for events that come by the thousand: it is stored with the next event, or when
  // somebody reads, or by Flush, which the caller sees to within kSoon; followers are told with the
  // next event or by Flush. What dies with the coordinator before that is in its log only.
  static constexpr SteadyDuration kSoon = std::chrono::milliseconds(5);
  void AppendSoon(v1::Event event);
  void Flush();
  void Append(v1::EventType type, absl::string_view subject, absl::string_view reason);

  // A limit of the coordinator has turned somebody away: an event, but no more than one within
  // kLimitInterval for the same limit and subject, so that who asks without an end does not fill
  // the log.
  static constexpr absl::Duration kLimitInterval = absl::Minutes(1);
  void LimitReached(absl::string_view limit, absl::string_view subject, absl::string_view reason);

  struct Page {
    std::vector<v1::Event> events;
    bool history_gone = false;
    uint64_t seen_id = 0;  // as in state::EventPage
  };
  absl::StatusOr<Page> Read(const state::EventQuery& query);

  void AddFollower(Follower* follower) { followers_.insert(follower); }
  void RemoveFollower(Follower* follower) { followers_.erase(follower); }

 private:
  void StoreWaiting();

  state::Store& store_;
  Clock& clock_;
  std::map<std::pair<std::string, std::string>, absl::Time> limits_;  // told last
  std::set<Follower*> followers_;
  std::vector<state::EventRecord> waiting_;  // to be stored
  bool untold_ = false;                      // some are stored of which followers do not know
};

// One whose subject is the coordinator itself.
v1::Event CoordinatorEvent(v1::EventType type, const std::string& reason);

}  // namespace center::coordinator
