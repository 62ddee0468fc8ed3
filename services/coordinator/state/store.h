// What the coordinator must not forget: desired servers and clients, processes that it started,
// subscriptions' cursors, events, and the answers to calls that may be repeated. One SQLite file.
//
// Messages are opaque bytes here: the store needs no protobuf.
//
// Desired state and cursors are on disk when the call returns (synchronous=FULL). Events, process
// records and remembered answers survive the death of the coordinator at any moment, but the last
// ones may be missing after a power loss; what matters of them is gone then anyway, and event ids
// are not used again even so.
//
// Thread-safe: one connection behind one mutex. A call may wait for a disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "services/coordinator/state/sqlite.h"

namespace center::state {

// Events kept: the default, and what may be asked for.
inline constexpr uint64_t kEventsMax = 10'000;
inline constexpr uint64_t kEventsMaxLeast = 100;
inline constexpr uint64_t kEventsMaxMost = 1'000'000;
inline constexpr uint64_t kAnswersMax = 10'000;
inline constexpr absl::Duration kAnswerAge = absl::Hours(24);
inline constexpr uint64_t kSubscriptionsPerServerMax = 1'000;

struct ServerRecord {
  std::string name;
  std::string spec;  // serialised ServerSpec, as it was asked for
  bool desired_running = false;
  absl::Time create_time;
  uint32_t port = 0;        // the port it was bound to last; 0: never bound
  uint64_t generation = 1;  // counts the changes of its settings that need new processes
};

struct ClientRecord {
  std::string name;
  std::string spec;  // serialised ClientSpec, as it was asked for
  bool desired_running = false;
  absl::Time create_time;
  std::string
      past;  // serialised Client: how it was when it ended, what ended processes have counted
};

// Whose processes: servers and clients may have the same names.
enum class Owner { kServer, kClient };

// A process of a worker or a client, so that a later coordinator knows it again: a pid alone is not
// enough, because pids are used again.
struct ProcessRecord {
  std::string worker;  // "<server>/<slot>", "<client>/<number>"
  int64_t pid = 0;
  uint64_t start_ticks = 0;  // field 22 of /proc/<pid>/stat
  std::string boot_id;       // /proc/sys/kernel/random/boot_id
  std::string token;         // proves that it is this process when it registers
  absl::Time launch_time;
  uint64_t generation = 0;  // of its server's settings
  uint64_t restarts = 0;    // of its slot until then
};

// A coordinator's time on this file, from its start on.
struct RunRecord {
  std::string version;
  int64_t pid = 0;
  absl::Time start_time;
  bool ended = false;  // in order: not killed, not crashed
};

// Worker name to the offset of the next payload it wants.
using Offsets = std::map<std::string, uint64_t>;

struct SubscriptionRecord {
  std::string server;
  std::string name;
  Offsets next_offsets;
  absl::Time commit_time;
};

struct EventRecord {
  uint64_t id = 0;  // assigned by the store
  absl::Time time;
  std::string subject;  // "coordinator", "<server>" or "<server>/<slot>"
  std::string body;     // serialised Event without id
};

struct EventQuery {
  uint64_t since_id = 0;                  // only larger ids
  absl::optional<absl::Time> since_time;  // only at this time or later
  std::string server;                     // only this server's and its workers'; empty: all
  uint32_t limit = 100;
};

struct EventPage {
  std::vector<EventRecord> events;  // oldest first
  // Events that the query asked for were deleted: with a since_id, some after it; with a
  // since_time alone, some at that time or later.
  bool history_gone = false;
  // Nothing that matches and is not in `events` has an id up to this one: where to go on.
  uint64_t seen_id = 0;
};

struct StoreOptions {
  uint64_t events_max = kEventsMax;
};

class Store {
 public:
  // Opens or creates the file and brings its schema up to date. Errors: DataLoss (no database, or
  // a damaged one), FailedPrecondition (written by a newer Center), PermissionDenied.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path,
                                                     const StoreOptions& options = {});

  // Servers by name. Get: NotFound.
  absl::Status PutServer(const ServerRecord& server);
  absl::StatusOr<ServerRecord> GetServer(absl::string_view name);
  absl::StatusOr<std::vector<ServerRecord>> ListServers();
  // Undoes a PutServer whose server could not be started; ok when there is none.
  absl::Status DeleteServer(absl::string_view name);

  // The same for clients.
  absl::Status PutClient(const ClientRecord& client);
  absl::StatusOr<std::vector<ClientRecord>> ListClients();
  absl::Status DeleteClient(absl::string_view name);

  absl::Status PutProcess(const ProcessRecord& process, Owner owner = Owner::kServer);
  absl::Status DeleteProcess(absl::string_view worker, Owner owner = Owner::kServer);
  absl::StatusOr<std::vector<ProcessRecord>> ListProcesses(Owner owner = Owner::kServer);

  // Stores offsets of a subscription, which is created when it is new; returns all its offsets.
  // Workers that `offsets` leaves out keep theirs; none moves back unless `rewind`. Errors:
  // ResourceExhausted (too many subscriptions), InvalidArgument (an offset beyond 2^63-1).
  struct Commit {
    std::string server;
    std::string subscription;
    Offsets offsets;
    bool rewind = false;
    absl::Time time;
  };
  absl::StatusOr<Offsets> CommitCursor(const Commit& commit);
  // NotFound when there is no such subscription.
  absl::StatusOr<SubscriptionRecord> GetCursor(absl::string_view server,
                                               absl::string_view subscription);
  // By name, those after `after_name`, at most `limit`.
  absl::StatusOr<std::vector<SubscriptionRecord>> ListSubscriptions(absl::string_view server,
                                                                    absl::string_view after_name,
                                                                    uint32_t limit);
  // NotFound when there is no such subscription.
  absl::Status DeleteSubscription(absl::string_view server, absl::string_view subscription);
  // The least offset that every subscription of the server has committed for this worker (0 when
  // one has committed nothing for it); nullopt when the server has no subscription.
  absl::StatusOr<absl::optional<uint64_t>> MinCommitted(absl::string_view server,
                                                        absl::string_view worker);

  // A run begins; returns the one before it, if there was one.
  absl::StatusOr<absl::optional<RunRecord>> BeginRun(const RunRecord& run);
  // The run that has begun ends in order.
  absl::Status EndRun();

  // Stores an event and returns its id. Only the newest events_max are kept.
  absl::StatusOr<uint64_t> AppendEvent(const EventRecord& event);
  // Stores them in this order, or none.
  absl::Status AppendEvents(const std::vector<EventRecord>& events);
  absl::StatusOr<EventPage> ListEvents(const EventQuery& query);

  // Answers to calls, by a key that the caller chooses: forgotten after kAnswerAge, or when there
  // are more than kAnswersMax.
  absl::Status RememberAnswer(absl::string_view key, absl::string_view answer, absl::Time now);
  absl::StatusOr<absl::optional<std::string>> FindAnswer(absl::string_view key, absl::Time now);

 private:
  // How far a transaction must be on disk before it is done.
  enum class Sync { kProcessCrash, kPowerLoss };

  Store(Database database, const StoreOptions& options)
      : options_(options), database_(std::move(database)) {}

  absl::Status Prepare() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status PrepareEventIds() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AppendLocked(const EventRecord* events, size_t count)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TrimEvents() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DropOldestEvent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetSync(Sync sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Offsets> ReadOffsets(absl::string_view server, absl::string_view subscription)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const StoreOptions options_;
  absl::Mutex mutex_;
  Database database_ ABSL_GUARDED_BY(mutex_);
  Sync sync_ ABSL_GUARDED_BY(mutex_) = Sync::kPowerLoss;
  uint64_t next_event_id_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t event_count_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t answers_since_trim_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace center::state
