#include "services/coordinator/api/stored_feed.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/coordinator/api/job_manager.h"
#include "services/coordinator/api/job_messages.h"

namespace center::coordinator {

void StoredFeed::SkipTo(JobEntry& job, uint64_t index) {
  if (index > arrived_) manager_.SkipInputs(job, index - arrived_);
  arrived_ = std::max(arrived_, index);
}

void StoredFeed::OnWanted() {
  if (reading_) return;
  JobEntry* job = manager_.Find(JobName(job_));
  if (job == nullptr) return;
  const jobs::IntervalSet& done = manager_.DoneOf(*job);
  while (next_ < found_.inputs.size()) {
    const jobs::StoredInputs& block = found_.inputs[next_];
    const uint64_t end = block.first + block.count;
    // Those whose segment is gone, too, are finished.
    SkipTo(*job, block.first);
    if (done.NextGap(block.first) < end) break;
    SkipTo(*job, end);
    ++next_;
  }
  if (next_ == found_.inputs.size()) {
    SkipTo(*job, found_.inputs_arrived);
    const std::shared_ptr<InputFeed> keep = std::move(job->feed);
    return manager_.OnStoredInputsGiven(*job, found_);
  }
  reading_ = true;
  const jobs::StoredInputs block = found_.inputs[next_++];
  store_.ReadInputs(job_, block, [self = shared_from_this(), block](auto read) {
    self->reading_ = false;
    JobEntry* reader = self->manager_.Find(JobName(self->job_));
    if (reader == nullptr || reader->ended || reader->feed.get() != self.get()) return;
    if (!read.ok()) {
      self->manager_.EndJob(
          *reader, jobs::JobState::kFailed,
          absl::StrCat("its stored inputs cannot be read: ", read.status().message()));
      return;
    }
    self->arrived_ = block.first + block.count;
    self->manager_.AddInputs(*reader, *std::move(read), /*store=*/false);
  });
}

}  // namespace center::coordinator
