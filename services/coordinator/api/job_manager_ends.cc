// How jobs end, who is told, and what is kept of them.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/job_manager.h"
#include "services/coordinator/api/job_messages.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {
namespace {

// Wall time may jump: what depends on it is looked at this often.
constexpr auto kExpiryCheckInterval = std::chrono::minutes(1);

bool HasLabels(const v1::JobSpec& spec,
               const google::protobuf::Map<std::string, std::string>& want) {
  return std::all_of(want.begin(), want.end(), [&](const auto& label) {
    const auto found = spec.labels().find(label.first);
    return found != spec.labels().end() && found->second == label.second;
  });
}

}  // namespace

void JobManager::EndJob(JobEntry& job, jobs::JobState state, const std::string& detail) {
  if (!job.known || job.ended) return;
  scheduler_.EndJob(job.id, state, detail);
  Settle();
}

void JobManager::OnEnded(jobs::JobId id) { ended_.push_back(id); }

void JobManager::FinishEnd(JobEntry& job) {
  job.ended = true;
  job.feed.reset();
  job.last = View(job, /*with_failures=*/true);
  const absl::Time now = deps_.clock->Wall();
  *job.last.mutable_end_time() = FromTime(now);
  *job.last.mutable_expire_time() = FromTime(now + ToDuration(job.submission.spec().result_ttl()));
  v1::Job stored = job.last;
  stored.clear_spec();
  deps_.store->End(job.id, stored.SerializeAsString(),
                   [this, weak = std::weak_ptr(self_), id = job.id](const absl::Status& status) {
                     if (weak.lock() != nullptr) OnEndStored(id, status);
                   });
}

void JobManager::OnEndStored(jobs::JobId id, const absl::Status& status) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  JobEntry& job = *found->second;
  if (!status.ok()) spdlog::error("job j{}: its end is not stored: {}", id, status);
  job.over = true;
  job.known = false;
  if (!job.discards()) job.last.set_result_bytes(job.index.bytes());
  scheduler_.RemoveJob(id);
  active_.erase(id);
  for (const auto& waiter : std::exchange(job.end_waiters, {})) waiter(job.last);
  ++job.version;
  Touch(job);
  Keep(job);
  Settle();
  const v1::Job& last = job.last;
  std::string how = v1::JobState_Name(last.state()).substr(sizeof "JOB_STATE_" - 1);
  if (!last.detail().empty()) absl::StrAppend(&how, ": ", last.detail());
  if (last.inputs_failed() > 0) {
    absl::StrAppend(&how, "; ", last.inputs_failed(), " of ", last.inputs(),
                    " inputs have no result");
  }
  AddEvent(v1::EVENT_TYPE_JOB_ENDED, job, how);
}

void JobManager::Keep(JobEntry& job) {
  expiry_.emplace(absl::FromUnixSeconds(job.last.expire_time().seconds()) +
                      absl::Nanoseconds(job.last.expire_time().nanos()),
                  job.id);
}

void JobManager::DropExpired() {
  const absl::Time now = deps_.clock->Wall();
  while (!expiry_.empty() &&
         (expiry_.begin()->first <= now || expiry_.size() > limits_.ended_max)) {
    const auto first = expiry_.begin();
    JobEntry& job = *jobs_.at(first->second);
    // Whoever reads it still may go on; later calls do not find it.
    if (!job.watchers.empty()) {
      if (expiry_.size() > limits_.ended_max + limits_.active_max) {
        spdlog::warn("job {}: it has expired and is being read", JobName(job.id));
      }
      expiry_.emplace(now + absl::Seconds(60), job.id);
      expiry_.erase(first);
      return;
    }
    const jobs::JobId id = first->second;
    expiry_.erase(first);
    Forget(id);
  }
}

void JobManager::Forget(jobs::JobId id) {
  const auto found = jobs_.find(id);
  const std::string& request_id = found->second->submission.request_id();
  if (!request_id.empty()) request_ids_.erase(request_id);
  deps_.store->Remove(id);
  jobs_.erase(found);
}

void JobManager::Attach(JobEntry& job, JobWatcher* watcher, bool submitter, bool reads) {
  job.watchers.insert(watcher);
  if (submitter) ++job.attached;
  job.alone.reset();
  if (reads) job.readers[watcher] = 0;
  UpdateUnread(job);
}

void JobManager::Detach(JobEntry& job, JobWatcher* watcher, bool submitter) {
  job.watchers.erase(watcher);
  job.readers.erase(watcher);
  if (submitter) --job.attached;
  UpdateUnread(job);
  Settle();
}

void JobManager::ClientLost(JobEntry& job) {
  const bool goes_on = job.submission.detach() && job.inputs_stored;
  if (!goes_on && job.attached == 0) {
    EndJob(job, jobs::JobState::kCancelled, "its client was lost");
  }
}

void JobManager::SetTaken(JobEntry& job, JobWatcher* watcher, uint64_t bytes) {
  const auto found = job.readers.find(watcher);
  if (found == job.readers.end()) return;
  found->second = bytes;
  UpdateUnread(job);
  Settle();
}

// The slowest reader counts.
void JobManager::UpdateUnread(JobEntry& job) {
  uint64_t unread = 0;
  for (const auto& [watcher, taken] : job.readers) {
    unread = std::max(unread, job.finished_bytes - std::min(job.finished_bytes, taken));
  }
  if (job.known) scheduler_.SetUnread(job.id, unread);
}

void JobManager::Settle() {
  if (settling_) return;
  settling_ = true;
  while (!touched_.empty() || !ended_.empty()) {
    for (const jobs::JobId id : std::exchange(ended_, {})) {
      FinishEnd(*jobs_.at(id));
      touched_.insert(id);
    }
    for (const jobs::JobId id : std::exchange(touched_, {})) {
      const auto found = jobs_.find(id);
      if (found == jobs_.end()) continue;
      JobEntry& job = *found->second;
      UpdateUnread(job);
      TellProgress(job, deps_.clock->Steady());
      if (job.feed != nullptr && WantsInputs(job)) {
        const std::shared_ptr<InputFeed> feed = job.feed;
        feed->OnWanted();
      }
      for (JobWatcher* watcher : std::set<JobWatcher*>(job.watchers)) {
        if (job.watchers.contains(watcher)) watcher->OnJob();
      }
    }
  }
  const uint64_t backlog = deps_.store->backlog_bytes();
  // Not to and fro at the limit.
  if (backlog > limits_.backlog_bytes_max ||
      (store_busy_ && backlog < limits_.backlog_bytes_max / 2)) {
    store_busy_ = backlog > limits_.backlog_bytes_max;
    scheduler_.SetStoreBusy(store_busy_);
  }
  settling_ = false;
  deps_.arm_timer(scheduler_.NextDeadline());
}

void JobManager::TellProgress(JobEntry& job, SteadyTime now) {
  if (job.ended || job.watchers.empty() || !job.changed) return;
  if (now - job.told < limits_.progress_interval) {
    deps_.arm_timer(job.told + limits_.progress_interval);
    return;
  }
  job.changed = false;
  job.told = now;
  ++job.version;
}

SteadyTime JobManager::OnTimer() {
  const SteadyTime now = deps_.clock->Steady();
  deps_.events->Flush();
  scheduler_.Tick();
  SteadyTime next = now + kExpiryCheckInterval;
  for (const jobs::JobId id : std::set<jobs::JobId>(active_)) {
    JobEntry* const job = jobs_.at(id).get();
    if (job->alone.has_value() && *job->alone + limits_.reattach_timeout <= now) {
      job->alone.reset();
      EndJob(*job, jobs::JobState::kCancelled,
             "its client was lost with an earlier coordinator and has not come back");
    } else if (job->alone.has_value()) {
      next = std::min(next, *job->alone + limits_.reattach_timeout);
    }
    if (job->changed && !job->watchers.empty()) touched_.insert(id);
  }
  while (!wakes_.empty() && wakes_.begin()->first <= now) {
    touched_.insert(wakes_.begin()->second);
    wakes_.erase(wakes_.begin());
  }
  if (!wakes_.empty()) next = std::min(next, wakes_.begin()->first);
  next = std::min({next, Reconnect(now), GiveUpWaiting(now)});
  DropExpired();
  if (!expiry_.empty()) {
    const absl::Duration left = expiry_.begin()->first - deps_.clock->Wall();
    next = std::min(next, now + absl::ToChronoNanoseconds(std::max(left, absl::Milliseconds(10))));
  }
  Settle();
  return std::min(next, scheduler_.NextDeadline());
}

v1::Job JobManager::View(const JobEntry& job, bool with_failures) const {
  v1::Job view;
  if (job.ended && job.last.end_time().seconds() != 0) {
    view = job.last;
    if (!with_failures) view.clear_failures();
  } else {
    const jobs::JobStatus status = scheduler_.StatusOf(job.id);
    view.set_state(static_cast<v1::JobState>(status.state));
    view.set_inputs(status.inputs);
    view.set_inputs_complete(status.inputs_complete);
    view.set_inputs_succeeded(status.succeeded);
    view.set_inputs_failed(status.failed);
    view.set_inputs_running(status.running);
    view.set_result_bytes(job.discards() ? 0 : job.finished_bytes);
    view.set_retries(status.retries);
    view.set_workers(status.workers);
    view.set_detail(status.detail.empty() ? DetailOf(job) : status.detail);
    *view.mutable_task_time() = FromDuration(absl::FromChrono(status.task_time));
    if (with_failures) {
      for (const jobs::Failure& failure : scheduler_.FailuresOf(job.id)) {
        *view.add_failures() = ToProto(failure);
      }
    }
  }
  view.set_id(JobName(job.id));
  *view.mutable_spec() = job.submission.spec();
  *view.mutable_create_time() = FromTime(job.create_time);
  return view;
}

// Why it does not go on, when that can be told.
std::string JobManager::DetailOf(const JobEntry& job) const {
  const auto server = servers_.find(job.submission.spec().server());
  if (server == servers_.end() || !server->second.running) {
    return absl::StrCat("server '", job.submission.spec().server(), "' is not running");
  }
  return server->second.connected == 0 ? "no worker is ready" : "";
}

absl::StatusOr<v1::ListJobsResponse> JobManager::List(const v1::ListJobsRequest& request) const {
  const uint32_t page =
      request.page_size() == 0 ? kPageSizeDefault : std::min(request.page_size(), kPageSizeMax);
  for (const int state : request.states()) {
    if (v1::JobState_IsValid(state) && state != v1::JOB_STATE_UNSPECIFIED) continue;
    return rpc::InvalidFields({{"states", absl::StrCat("has ", state, ", which is no state")}});
  }
  auto at = jobs_.rbegin();
  if (!request.page_token().empty()) {
    const jobs::JobId after = ParseJobName(request.page_token());
    if (after == 0) {
      return rpc::InvalidFields(
          {{"page_token", "is not the next_page_token of an earlier answer"}});
    }
    at = std::make_reverse_iterator(jobs_.lower_bound(after));
  }
  v1::ListJobsResponse response;
  for (; at != jobs_.rend(); ++at) {
    const JobEntry& job = *at->second;
    const v1::JobSpec& spec = job.submission.spec();
    if (!request.server().empty() && spec.server() != request.server()) continue;
    if (!HasLabels(spec, request.labels())) continue;
    v1::Job view = View(job, /*with_failures=*/false);
    if (request.states_size() > 0 && std::find(request.states().begin(), request.states().end(),
                                               view.state()) == request.states().end()) {
      continue;
    }
    if (static_cast<uint32_t>(response.jobs_size()) == page) {
      response.set_next_page_token(response.jobs().rbegin()->id());
      break;
    }
    *response.add_jobs() = std::move(view);
  }
  return response;
}

void JobManager::Cancel(const std::string& name,
                        std::function<void(absl::StatusOr<v1::Job>)> answer) {
  JobEntry* job = Find(name);
  if (job == nullptr) return answer(JobNotFound(name));
  if (job->over && job->last.state() == v1::JOB_STATE_CANCELLED) return answer(View(*job, true));
  if (job->ended) {
    return answer(
        rpc::WithReason(absl::FailedPreconditionError(absl::StrCat(
                            "job ", name, " has ended: ", v1::JobState_Name(job->last.state()))),
                        "JOB_ENDED", {{"job", name}}));
  }
  job->end_waiters.push_back([answer = std::move(answer)](const v1::Job& last) { answer(last); });
  EndJob(*job, jobs::JobState::kCancelled, "it was cancelled on request");
}

}  // namespace center::coordinator
