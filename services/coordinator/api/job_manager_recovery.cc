// Jobs that an earlier coordinator left.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/coordinator/api/job_manager.h"
#include "services/coordinator/api/job_messages.h"
#include "services/coordinator/api/job_meta.h"
#include "services/coordinator/api/spec.h"
#include "services/coordinator/api/stored_feed.h"

namespace center::coordinator {
namespace {

constexpr size_t kFailuresKept = 100;

// The first failures among the results of a job.
std::vector<jobs::Failure> ReadFailures(const jobs::JobStore& store, const jobs::StoredJob& job) {
  std::vector<jobs::StoredPart> parts;
  for (const jobs::StoredPart& part : job.parts) {
    if (part.failed > 0) parts.push_back(part);
  }
  std::sort(parts.begin(), parts.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<jobs::Failure> failures;
  for (const jobs::StoredPart& part : parts) {
    if (failures.size() >= kFailuresKept) break;
    const auto body = store.ReadNow(job.id, part);
    if (!body.ok()) {
      spdlog::error("job j{}: {}", job.id, body.status());
      continue;
    }
    for (jobs::Failure& failure : FailuresOfBody(*body)) failures.push_back(std::move(failure));
  }
  return failures;
}

}  // namespace

void JobManager::Recover(std::vector<jobs::StoredJob> found) {
  for (jobs::StoredJob& job : found) RecoverJob(std::move(job));
  DropExpired();
  Settle();
}

void JobManager::RecoverJob(jobs::StoredJob found) {
  auto made = std::make_unique<JobEntry>();
  JobEntry& job = *made;
  job.id = found.id;
  last_job_ = std::max(last_job_, found.id);
  if (absl::Status status = DecodeJobMeta(found.meta, &job); !status.ok()) {
    spdlog::error("job j{}: {}; it is left alone", found.id, status);
    return;
  }
  job.common = ChunkTemplate(job.id, job.submission.spec());
  job.stored = true;
  job.told = deps_.clock->Steady();
  for (const jobs::StoredPart& part : found.parts) job.index.Add(part, nullptr);
  job.finished_bytes = job.index.bytes();
  jobs_[job.id] = std::move(made);
  if (!job.submission.request_id().empty()) request_ids_[job.submission.request_id()] = job.id;
  if (found.end.has_value()) {
    if (!job.last.ParseFromString(*found.end)) spdlog::error("job j{}: its end is damaged", job.id);
    job.known = false;
    job.ended = job.over = job.inputs_stored = true;
    return Keep(job);
  }
  active_.insert(job.id);
  Resume(job, found);
}

void JobManager::Resume(JobEntry& job, const jobs::StoredJob& found) {
  const v1::JobSpec& spec = job.submission.spec();
  jobs::JobPlan plan;
  for (const jobs::StoredPart& part : found.parts) {
    plan.done.Add(part.first, part.count);
    plan.failed += part.failed;
  }
  plan.failures = ReadFailures(*deps_.store, found);
  const bool complete = spec.has_range() || found.inputs_complete;
  job.inputs_stored = complete;
  if (spec.has_range()) {
    plan.inputs = jobs::InputQueue::Range(spec.range().first(), spec.range().count());
  }
  Schedule(job, std::move(plan));
  if (job.discards()) {
    return EndJob(job, jobs::JobState::kCancelled,
                  "its client was lost with an earlier coordinator, and its results are not kept");
  }
  if (spec.has_records() && !complete) {
    scheduler_.SkipInputs(job.id, found.inputs_arrived);
    return EndJob(job, jobs::JobState::kCancelled,
                  "an earlier coordinator ended before all inputs had arrived");
  }
  if (!spec.has_range()) {
    job.feed = std::make_shared<StoredFeed>(*this, *deps_.store, job.id, found);
  }
  if (!job.submission.detach()) {
    job.alone = deps_.clock->Steady();
    deps_.arm_timer(*job.alone + limits_.reattach_timeout);
  }
  spdlog::info("job {} goes on: {} of its results are there", JobName(job.id), job.index.results());
}

void JobManager::OnStoredInputsGiven(JobEntry& job, const jobs::StoredJob& found) {
  if (found.inputs_complete) return CompleteInputs(job);
  FeedPayloads(job, found.cursor);
  Touch(job);
  Settle();
}

}  // namespace center::coordinator
