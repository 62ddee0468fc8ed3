// Jobs: how they come, and their results.
#include "services/coordinator/api/job_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"
#include "services/common/text.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/job_messages.h"
#include "services/coordinator/api/job_meta.h"
#include "services/coordinator/api/job_spec.h"
#include "services/coordinator/api/payload_feed.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

namespace {

// Whether a repeated call asks for what `stored` is. A subscription's place is stored in its stead.
bool AskForTheSame(v1::JobSpec stored, v1::JobSpec asked) {
  if (!asked.payloads().start().subscription().empty()) {
    stored.mutable_payloads()->clear_start();
    asked.mutable_payloads()->clear_start();
  }
  return google::protobuf::util::MessageDifferencer::Equals(stored, asked);
}

}  // namespace

absl::Status JobNotFound(absl::string_view name) {
  return rpc::WithReason(absl::NotFoundError(absl::StrCat("there is no job '", name, "'")),
                         "JOB_NOT_FOUND", {{"job", name}});
}

JobManager::JobManager(Dependencies dependencies, JobLimits limits)
    : deps_(std::move(dependencies)),
      limits_(limits),
      channels_(deps_.connect),
      scheduler_(*deps_.clock, *this, *this),
      self_(std::make_shared<JobManager*>(this)) {}

JobManager::~JobManager() {
  Shutdown();
  // Their handlers post to the control thread's loop, which must be there still.
  open_links_->AwaitNone();
}

JobEntry* JobManager::Find(absl::string_view name) {
  const auto found = jobs_.find(ParseJobName(name));
  return found == jobs_.end() ? nullptr : found->second.get();
}

void JobManager::Submit(v1::JobSubmission submission, Submitted answer) {
  std::vector<rpc::FieldViolation> violations;
  CheckSubmission(submission, &violations);
  if (!violations.empty()) return answer(rpc::InvalidFields(violations), false);
  *submission.mutable_spec() = CompleteSpec(submission.spec());
  if (const auto known = request_ids_.find(submission.request_id());
      !submission.request_id().empty() && known != request_ids_.end()) {
    JobEntry& job = *jobs_.at(known->second);
    if (AskForTheSame(job.submission.spec(), submission.spec())) {
      return answer(&job, /*is_new=*/false);
    }
    return answer(
        rpc::InvalidFields({{"request_id",
                             "is that of an earlier request that asked for something else; choose "
                             "a new one"}}),
        false);
  }
  if (absl::Status status = CheckRoom(submission); !status.ok()) return answer(status, false);
  const std::string server = submission.spec().server();
  WithTasks(server, [this, submission = std::move(submission), answer = std::move(answer)] {
    SubmitChecked(submission, answer);
  });
}

void JobManager::SubmitChecked(v1::JobSubmission submission, const Submitted& answer) {
  // Again: time may have passed.
  absl::Status status = CheckRoom(submission);
  if (status.ok()) status = CheckTask(submission.spec().server(), submission.spec().task());
  if (status.ok()) status = ResolveSource(submission.mutable_spec());
  if (!status.ok()) return answer(status, false);
  JobEntry& job = Create(std::move(submission));
  const v1::JobSpec& spec = job.submission.spec();
  jobs::JobPlan plan;
  if (spec.has_range()) {
    plan.inputs = jobs::InputQueue::Range(spec.range().first(), spec.range().count());
  }
  Schedule(job, std::move(plan));
  if (spec.has_payloads()) FeedPayloads(job, "");
  answer(&job, /*is_new=*/true);
  Settle();
  AddEvent(v1::EVENT_TYPE_JOB_STARTED, job,
           absl::StrCat(spec.task(), " on server '", spec.server(), "'"));
}

absl::Status JobManager::CheckRoom(const v1::JobSubmission& submission) const {
  if (stopping_) {
    return rpc::WithReason(absl::UnavailableError("the coordinator is stopping"),
                           "COORDINATOR_STOPPING");
  }
  const std::string& server = submission.spec().server();
  if (absl::Status status = CheckServer(server); !status.ok()) return status;
  if (submission.spec().has_payloads()) {
    const std::string& source = submission.spec().payloads().server();
    if (absl::Status status = CheckServer(source); !status.ok()) return status;
  }
  if (active_.size() >= limits_.active_max) {
    return rpc::WithReason(
        absl::ResourceExhaustedError(absl::StrCat(
            active_.size(), " jobs have not ended, the most there can be (--jobs-max)")),
        "JOB_LIMIT");
  }
  if (deps_.store->used_bytes() >= limits_.store_bytes && !submission.spec().discard_results()) {
    return rpc::WithReason(
        absl::ResourceExhaustedError(absl::StrCat(
            "stored jobs have ", FormatBytes(deps_.store->used_bytes()), ", the most is ",
            FormatBytes(limits_.store_bytes),
            " (--job-store-bytes); results are deleted when their result_ttl is over")),
        "JOB_STORE_FULL");
  }
  return absl::OkStatus();
}

// A subscription's place, as workers understand it.
absl::Status JobManager::ResolveSource(v1::JobSpec* spec) const {
  if (!spec->has_payloads() || spec->payloads().start().subscription().empty()) {
    return absl::OkStatus();
  }
  const std::string name = spec->payloads().start().subscription();
  v1::Cursor& cursor = *spec->mutable_payloads()->mutable_start()->mutable_cursor();
  if (!deps_.subscription) return absl::OkStatus();
  const auto offsets = deps_.subscription(spec->payloads().server(), name);
  if (!offsets.ok()) {
    // As for a stream: it has committed nothing yet.
    return absl::IsNotFound(offsets.status()) ? absl::OkStatus() : offsets.status();
  }
  for (const auto& [worker, offset] : *offsets) (*cursor.mutable_next_offsets())[worker] = offset;
  return absl::OkStatus();
}

void JobManager::FeedPayloads(JobEntry& job, const std::string& place) {
  job.feed = std::make_shared<PayloadFeed>(PayloadFeed::Dependencies{.manager = this,
                                                                     .directory = deps_.directory,
                                                                     .channels = &channels_,
                                                                     .post = deps_.post,
                                                                     .clock = deps_.clock},
                                           job.id, job.submission.spec().payloads(), place);
}

void JobManager::WakeLater(JobEntry& job, SteadyTime when) {
  wakes_.emplace(when, job.id);
  deps_.arm_timer(when);
}

absl::Status JobManager::CheckServer(const std::string& server) const {
  const auto found = servers_.find(server);
  if (found == servers_.end()) return ServerNotFound(server);
  if (found->second.running) return absl::OkStatus();
  return rpc::WithReason(
      absl::FailedPreconditionError(absl::StrCat("server '", server, "' is not running")),
      "SERVER_STOPPED", {{"server", server}});
}

absl::Status JobManager::CheckTask(const std::string& server, const std::string& task) const {
  const auto found = servers_.find(server);
  // No worker has said anything yet: it will when it is asked to run it.
  if (found == servers_.end() || !found->second.tasks.has_value()) return absl::OkStatus();
  for (const v1::TaskInfo& info : *found->second.tasks) {
    if (info.name() == task) return absl::OkStatus();
  }
  return rpc::WithReason(
      absl::NotFoundError(absl::StrCat("server '", server, "' has no task '", task,
                                       "'; 'job tasks' lists those that it has")),
      "TASK_NOT_FOUND", {{"server", server}, {"task", task}});
}

JobEntry& JobManager::Create(v1::JobSubmission submission) {
  auto made = std::make_unique<JobEntry>();
  JobEntry& job = *made;
  job.id = ++last_job_;
  job.submission = std::move(submission);
  job.create_time = deps_.clock->Wall();
  job.common = ChunkTemplate(job.id, job.submission.spec());
  job.told = deps_.clock->Steady();
  job.inputs_stored = job.submission.spec().has_range();
  jobs_[job.id] = std::move(made);
  active_.insert(job.id);
  if (!job.submission.request_id().empty()) request_ids_[job.submission.request_id()] = job.id;
  deps_.store->Create(job.id, EncodeJobMeta(job),
                      [this, weak = std::weak_ptr(self_), id = job.id](const absl::Status& status) {
                        if (weak.lock() != nullptr) OnStored(id, status);
                      });
  return job;
}

void JobManager::Schedule(JobEntry& job, jobs::JobPlan plan) {
  const v1::JobSpec& spec = job.submission.spec();
  plan.id = job.id;
  plan.server = spec.server();
  plan.kind = spec.task();
  for (const std::string& arg : spec.args()) absl::StrAppend(&plan.kind, "\n", arg);
  plan.priority = spec.priority();
  plan.retry_limit = spec.retry_limit();
  if (spec.has_deadline()) {
    const absl::Duration left = job.create_time + ToDuration(spec.deadline()) - deps_.clock->Wall();
    plan.deadline = deps_.clock->Steady() + absl::ToChronoNanoseconds(left);
  }
  if (spec.has_input_timeout()) {
    plan.input_timeout = absl::ToChronoNanoseconds(ToDuration(spec.input_timeout()));
  }
  scheduler_.AddJob(std::move(plan));
  Touch(job);
}

void JobManager::OnStored(jobs::JobId id, const absl::Status& status) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  JobEntry& job = *found->second;
  job.stored = true;
  Touch(job);
  if (!status.ok()) {
    EndJob(job, jobs::JobState::kFailed, absl::StrCat("it cannot be stored: ", status.message()));
  }
  Settle();
}

bool JobManager::WantsInputs(const JobEntry& job) const {
  return job.known && !job.ended && scheduler_.BufferedBytes(job.id) < limits_.input_bytes_max &&
         scheduler_.BufferedCount(job.id) < limits_.input_count_max &&
         deps_.store->backlog_bytes() < limits_.backlog_bytes_max;
}

void JobManager::AddInputs(JobEntry& job, std::shared_ptr<const jobs::RecordBlock> block,
                           bool store, std::string cursor) {
  if (!job.known || job.ended) return;
  const uint64_t first = scheduler_.StatusOf(job.id).inputs;
  if (store && !job.discards()) {
    deps_.store->AppendInputs(job.id, first, block, std::move(cursor));
  }
  scheduler_.AddRecords(job.id, std::move(block));
  Touch(job);
  Settle();
}

void JobManager::SkipInputs(JobEntry& job, uint64_t count) {
  if (job.known) scheduler_.SkipInputs(job.id, count);
}

void JobManager::CompleteInputs(JobEntry& job) {
  if (!job.known || job.ended) return;
  const jobs::JobStatus status = scheduler_.StatusOf(job.id);
  if (!status.inputs_complete) {
    deps_.store->CompleteInputs(
        job.id, status.inputs,
        [this, weak = std::weak_ptr(self_), id = job.id](const absl::Status& stored) {
          if (weak.lock() == nullptr) return;
          const auto found = jobs_.find(id);
          if (found == jobs_.end()) return;
          if (!stored.ok()) spdlog::error("job j{}: the end of its inputs is not stored", id);
          found->second->inputs_stored = true;
          Touch(*found->second);
          Settle();
        });
    scheduler_.CompleteInputs(job.id);
  }
  Touch(job);
  Settle();
}

void JobManager::OnFinished(jobs::JobId id, jobs::ResultPart part) {
  JobEntry& job = *jobs_.at(id);
  Touch(job);
  if (part.body == nullptr) part.body = FailureBody(part.failures);
  job.finished_bytes += part.body->size();
  if (job.discards()) {
    const jobs::StoredPart place{.first = part.first,
                                 .count = part.count,
                                 .failed = static_cast<uint32_t>(part.failures.size()),
                                 .bytes = static_cast<uint32_t>(part.body->size())};
    return job.index.Add(place, std::move(part.body));
  }
  deps_.store->AppendResults(id, part,
                             [this, weak = std::weak_ptr(self_), id,
                              body = part.body](const absl::StatusOr<jobs::StoredPart>& stored) {
                               if (weak.lock() != nullptr) OnPartStored(id, stored, body);
                             });
}

void JobManager::OnPartStored(jobs::JobId id, const absl::StatusOr<jobs::StoredPart>& part,
                              const std::shared_ptr<const std::string>& body) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  JobEntry& job = *found->second;
  if (part.ok()) {
    // Those who read along need not read it from the disk.
    job.index.Add(*part, job.readers.empty() ? nullptr : body);
    if (job.known && !job.submission.spec().has_range()) {
      const uint64_t finished = scheduler_.DoneOf(id).NextGap(0);
      if (finished > job.inputs_released) deps_.store->ReleaseInputs(id, finished);
      job.inputs_released = finished;
    }
    if (deps_.store->used_bytes() >= limits_.store_bytes) {
      EndJob(job, jobs::JobState::kFailed,
             absl::StrCat("the store of jobs is full: ", FormatBytes(limits_.store_bytes),
                          " (--job-store-bytes)"));
    }
  } else {
    EndJob(job, jobs::JobState::kFailed,
           absl::StrCat("its results cannot be stored: ", part.status().message()));
  }
  Touch(job);
  Settle();
}

void JobManager::ReadPart(
    JobEntry& job, const jobs::ResultIndex::Entry& part,
    std::function<void(absl::StatusOr<std::shared_ptr<const std::string>>)> answer) {
  if (part.body != nullptr) return answer(part.body);
  deps_.store->Read(job.id, part.part, [answer = std::move(answer)](auto body) {
    if (!body.ok()) return answer(body.status());
    answer(std::make_shared<const std::string>(*std::move(body)));
  });
}

void JobManager::OnQuarantined(jobs::JobId id, const jobs::Failure& failure) {
  const JobEntry& job = *jobs_.at(id);
  AddEvent(v1::EVENT_TYPE_INPUT_QUARANTINED, job,
           absl::StrCat("input ", failure.index, " has killed its workers: ", failure.message));
}

void JobManager::AddEvent(v1::EventType type, const JobEntry& job, const std::string& reason) {
  v1::Event event;
  event.set_type(type);
  event.set_subject(absl::StrCat("job/", JobName(job.id)));
  event.set_reason(reason);
  (*event.mutable_details())["server"] = job.submission.spec().server();
  (*event.mutable_details())["task"] = job.submission.spec().task();
  // Small jobs come by the thousand, and nobody is to wait for a transaction for each of them.
  deps_.events->AppendSoon(std::move(event));
  deps_.arm_timer(deps_.clock->Steady() + EventLog::kSoon);
}

std::string JobManager::DescribeRunning(jobs::ChunkId chunk, uint64_t input) const {
  const auto id = scheduler_.JobOfChunk(chunk);
  const auto job = id.has_value() ? jobs_.find(*id) : jobs_.end();
  if (job == jobs_.end()) return absl::StrCat("chunk ", chunk, ", input ", input);
  return absl::StrCat("job ", JobName(*id), " ", job->second->submission.spec().task(), ", input ",
                      input);
}

}  // namespace center::coordinator
