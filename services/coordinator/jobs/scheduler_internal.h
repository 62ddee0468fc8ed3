// The parts of the scheduler's state, for its own files only.
#pragma once

#include "services/coordinator/jobs/outstanding.h"
#include "services/coordinator/jobs/scheduler.h"

namespace center::jobs {

// Consecutive inputs that are dispatched together.
struct Scheduler::Piece {
  JobId job = 0;
  uint64_t first = 0;
  uint64_t count = 0;
  uint32_t deaths = 0;    // of workers that died of themselves while it ran; > 0: a suspect
  uint32_t retries = 0;   // after deaths that it is not to blame for
  uint32_t attempts = 0;  // times it was sent
  std::vector<ChunkId> copies;
  bool settled = false;  // finished, or its job has ended: a late result is dropped
};

// A piece that a worker has.
struct Scheduler::InFlight {
  ChunkId id = 0;
  WorkerId worker = 0;
  std::shared_ptr<Piece> piece;
  SteadyTime sent;
  absl::optional<SteadyTime> started;       // as far as can be told: its turn has come
  absl::optional<SteadyDuration> foreseen;  // how long it will run
  int64_t charged_ns = 0;
  bool cancelled = false;  // its job does not want it any more
  // Input timeout: what was seen running, and since when.
  absl::optional<uint64_t> seen_input;
  SteadyTime seen_since;
  bool timed_out = false;  // its worker was killed because of it
};

struct Scheduler::Job {
  JobPlan plan;
  JobStatus status;
  bool ending = false;                      // chunks are still out
  JobState end_state = JobState::kRunning;  // when ending
  uint64_t next = 0;                        // inputs from here on are fresh, unless they are done
  // Pieces to be tried again, and those of them that are suspected.
  std::deque<std::shared_ptr<Piece>> retries;
  std::deque<std::shared_ptr<Piece>> suspects;
  absl::flat_hash_set<ChunkId> chunks;
  Outstanding outstanding;  // in them, as far as it is foreseen
  std::map<uint64_t, Failure> failures;
  absl::flat_hash_set<std::string> workers;  // that have run any of it

  // What is known of its inputs and results.
  struct Speed {
    uint64_t last_count = 0;  // of the last finished chunk
    double ns_per_input = 0;
  };
  absl::flat_hash_map<WorkerId, Speed> speed;
  absl::optional<double> ns_per_input;
  double presumed_ns_per_input = 0;  // by earlier jobs of its kind; 0: there was none
  absl::optional<double> bytes_per_result;

  uint64_t unread_bytes = 0;
  absl::optional<RunKey> key;  // its place among the runnable
  int64_t used_ns = 0;
};

struct Scheduler::Worker {
  WorkerId id = 0;
  WorkerInfo info;
  bool accepting = true;
  bool lost = false;            // no result will come
  absl::optional<Death> death;  // the process has ended
  bool killed = false;          // by us
  bool reserved = false;        // gets nothing but a suspect, once it is empty
  bool alone = false;           // runs a suspect
  std::deque<ChunkId> chunks;   // in the order in which they were sent
  absl::optional<std::pair<double, WorkerId>> room_key;  // its place among those with room
};

struct Scheduler::Server {
  std::string name;
  std::set<RunKey> runnable;
  // Workers with room, the emptiest first.
  std::set<std::pair<double, WorkerId>> room;
  std::set<WorkerId> workers;
  size_t threads = 0;                // of the workers that accept
  std::set<JobId> with_suspects;     // jobs with suspects that wait
  std::map<int32_t, int64_t> clock;  // by priority: the time used of the job that ran last
  SteadyTime stragglers_at = SteadyTime::max();  // a timer is set
  std::map<std::string, double> ns_per_input;    // by the kind of job
};

}  // namespace center::jobs
