// A job, as the coordinator keeps it beside the scheduler.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/job.pb.h"
#include "center/v1/worker.pb.h"
#include "services/common/clock.h"
#include "services/coordinator/jobs/result_index.h"
#include "services/coordinator/jobs/types.h"

namespace center::coordinator {

// Somebody who follows a job: a stream to a client. Control thread.
class JobWatcher {
 public:
  virtual ~JobWatcher() = default;
  // Something of the job is new: its state, its results, its want of inputs.
  virtual void OnJob() = 0;
};

// Gives a job its inputs. Control thread.
class InputFeed {
 public:
  virtual ~InputFeed() = default;
  // The job has room for inputs. Called again and again.
  virtual void OnWanted() = 0;
};

struct JobEntry {
  jobs::JobId id = 0;
  v1::JobSubmission submission;  // with all defaults
  absl::Time create_time;
  v1::RunChunk common;  // of all its chunks

  jobs::ResultIndex index;
  uint64_t finished_bytes = 0;   // of results, also of those that are not stored yet
  uint64_t inputs_released = 0;  // those before are not needed on disk
  bool known = true;             // to the scheduler
  bool stored = false;           // it survives the coordinator
  bool inputs_stored = false;    // all of them
  bool ended = false;            // nothing of it runs; its end may not be stored yet
  bool over = false;             // and its end is stored, with all its results
  v1::Job last;                  // when ended

  // Streams: `readers` are sent the results as they come, each has taken so many bytes.
  std::set<JobWatcher*> watchers;
  std::map<JobWatcher*, uint64_t> readers;
  size_t attached = 0;               // submitters that are there
  absl::optional<SteadyTime> alone;  // since when an attached job has nobody
  bool changed = false;              // since its progress was told
  uint64_t version = 1;              // counts what is told of it
  SteadyTime told;                   // when it was raised last
  std::vector<std::function<void(const v1::Job&)>> end_waiters;
  std::shared_ptr<InputFeed> feed;

  bool discards() const { return submission.spec().discard_results(); }
};

}  // namespace center::coordinator
