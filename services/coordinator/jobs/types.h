// What the scheduler, the store of jobs and their owner say to each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "services/common/clock.h"
#include "services/coordinator/jobs/input_queue.h"
#include "services/coordinator/jobs/interval_set.h"

namespace center::jobs {

using JobId = uint64_t;     // "j7" is 7
using ChunkId = uint64_t;   // not used again while a coordinator lives
using WorkerId = uint64_t;  // one connection to one process; not used again either

// As InputFailure.Cause of the API, with the same numbers.
enum class FailureCause {
  kUnspecified = 0,
  kTaskError = 1,
  kException = 2,
  kTimeout = 3,
  kWorkerDied = 4,
  kRetriesExhausted = 5,
  kCancelled = 6,
  kResultTooLarge = 7,
};

// Why an input has no result.
struct Failure {
  uint64_t index = 0;  // in the job
  FailureCause cause = FailureCause::kUnspecified;
  std::string message;
  std::string input;  // its beginning
  uint32_t attempts = 0;
  std::string worker;
};

// As JobState of the API, with the same numbers.
enum class JobState {
  kRunning = 1,
  kSucceeded = 2,
  kFailed = 3,
  kCancelled = 4,
  kDeadlineExceeded = 5,
};

// Some inputs of a job, on their way to a worker.
struct Chunk {
  ChunkId id = 0;
  JobId job = 0;
  uint64_t first = 0;  // index in the job
  uint64_t count = 0;
  ChunkInputs inputs;
  uint32_t attempt = 1;  // the how-manieth for these inputs
};

// Results of consecutive inputs, as they are stored and sent. The scheduler does not look into
// `body`.
struct ResultPart {
  uint64_t first = 0;  // index in the job
  uint64_t count = 0;
  std::shared_ptr<const std::string> body;
  std::vector<Failure> failures;  // ascending
};

// What became of a chunk.
struct ChunkOutcome {
  std::vector<ResultPart> parts;  // consecutive, from the chunk's first input on
  bool cancelled = false;         // given up: `parts` may end early
  SteadyDuration task_time{};
};

// Whom a worker's death is to be laid to.
enum class Blame {
  kInput,    // a crash, an exit, too much memory: what it was running is suspected
  kOutside,  // it was killed, or its machine lost: its chunks are tried again, but not for ever
  kNobody,  // it was asked to end, or killed for another chunk's sake: nothing is held against them
};

// What a compute thread was at when its worker died.
struct RunningInput {
  ChunkId chunk = 0;
  uint64_t index = 0;  // in the job
};

struct Death {
  std::string reason;  // "killed by SIGSEGV (core dumped)"
  Blame blame = Blame::kOutside;
  std::vector<RunningInput> running;  // empty: not known
};

// A job, for the scheduler.
struct JobPlan {
  JobId id = 0;
  std::string server;
  // Jobs of the same kind (task and arguments) are taken to run about as fast.
  std::string kind;
  int32_t priority = 0;
  absl::optional<SteadyTime> deadline;
  absl::optional<SteadyDuration> input_timeout;
  uint32_t retry_limit = 10;
  InputQueue inputs;
  // Of an earlier coordinator's.
  IntervalSet done;
  std::vector<Failure> failures;  // the first ones
  uint64_t failed = 0;
};

// A job, as it is.
struct JobStatus {
  JobState state = JobState::kRunning;
  uint64_t inputs = 0;
  bool inputs_complete = false;
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  uint64_t running = 0;
  uint64_t retries = 0;
  SteadyDuration task_time{};
  uint32_t workers = 0;  // that have run any of it
  std::string detail;
};

// What all jobs together have done since the scheduler was made.
struct JobCounters {
  uint64_t chunks_finished = 0;    // with a result for each of its inputs
  uint64_t chunks_given_back = 0;  // cancelled, or cut short: what is left is sent anew
  uint64_t chunks_lost = 0;        // with their workers
  uint64_t inputs_succeeded = 0;
  uint64_t inputs_failed = 0;
  SteadyDuration task_time{};  // that tasks took
};

}  // namespace center::jobs
