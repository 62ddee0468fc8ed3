// The inputs of a job that an earlier coordinator has stored.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "services/coordinator/api/job_entry.h"
#include "services/coordinator/jobs/job_store.h"

namespace center::coordinator {

class JobManager;

// Reads block after block, as the job has room; what is finished is not read.
class StoredFeed final : public InputFeed, public std::enable_shared_from_this<StoredFeed> {
 public:
  StoredFeed(JobManager& manager, jobs::JobStore& store, jobs::JobId job,
             const jobs::StoredJob& found)
      : manager_(manager), store_(store), job_(job), found_(found) {}

  void OnWanted() override;

 private:
  void SkipTo(JobEntry& job, uint64_t index);

  JobManager& manager_;
  jobs::JobStore& store_;
  const jobs::JobId job_;
  const jobs::StoredJob found_;
  size_t next_ = 0;       // block
  uint64_t arrived_ = 0;  // inputs given
  bool reading_ = false;
};

}  // namespace center::coordinator
