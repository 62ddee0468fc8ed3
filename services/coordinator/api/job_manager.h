// Jobs: connects the scheduler with the workers' links, the store and the clients' streams.
//
//     client ──▶ JobService ──▶ JobManager ──▶ Scheduler ──▶ ComputeLink ──▶ worker
//                    ▲              │  ▲                          │
//                    └── results ───┘  └──── JobStore ◀── results ┘
//
// Results are told only when they are stored (unless they are discarded): what a client has seen is
// the same after the death of a coordinator. A job is told ended when its end is stored.
//
// Lifecycle: construct, Recover once, then calls. Control thread only; nothing here blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "center/v1/job.pb.h"
#include "services/common/clock.h"
#include "services/coordinator/api/compute_link.h"
#include "services/coordinator/api/event_log.h"
#include "services/coordinator/api/fleet_observer.h"
#include "services/coordinator/api/job_entry.h"
#include "services/coordinator/api/job_figures.h"
#include "services/coordinator/jobs/job_store.h"
#include "services/coordinator/jobs/scheduler.h"
#include "services/coordinator/relay/channel_cache.h"

namespace center::coordinator {

struct JobLimits {
  // Bytes of all stored jobs, their inputs and results: when they are more, jobs end that would
  // store results.
  uint64_t store_bytes = 4ull << 30;
  // Jobs that have not ended.
  size_t active_max = 10'000;
  // Jobs that have ended: when there are more, the oldest is forgotten, whatever its result_ttl.
  size_t ended_max = 10'000;
  // Inputs of a job that have arrived and are not finished: when there are more, no more are read.
  uint64_t input_bytes_max = 8 << 20;
  uint64_t input_count_max = 1 << 20;
  // Bytes that wait for the disk: when they are more, no fresh chunks are sent.
  uint64_t backlog_bytes_max = 64 << 20;
  // A job whose client was lost together with an earlier coordinator is cancelled unless the client
  // is back (with the same request_id) after so long.
  SteadyDuration reattach_timeout = std::chrono::seconds(30);
  // How often a client is told of a job's progress.
  SteadyDuration progress_interval = std::chrono::milliseconds(100);
  // How long a submission waits for the first worker of its server to say which tasks it has.
  SteadyDuration tasks_timeout = std::chrono::seconds(10);
};

class JobManager final : public jobs::WorkerPort,
                         public jobs::SchedulerObserver,
                         public FleetObserver {
 public:
  struct Dependencies {
    Clock* clock;
    jobs::JobStore* store;
    EventLog* events;
    // Where payloads are.
    relay::WorkerDirectory* directory;
    // Runs it on the control thread, later.
    std::function<void(std::function<void()>)> post;
    // Calls OnTimer at this time at the latest.
    std::function<void(SteadyTime)> arm_timer;
    // Ends a worker's process, with the reason.
    std::function<void(const std::string& worker, int64_t pid, const std::string& reason)> kill;
    // What the threads of a worker are at, where that can be seen. May be empty.
    std::function<std::vector<RunningTask>(const std::string& worker)> running = nullptr;
    // Where a named subscription is. NotFound when there is none. May be empty.
    std::function<absl::StatusOr<std::map<std::string, uint64_t>>(const std::string& server,
                                                                  const std::string& subscription)>
        subscription = nullptr;
    // How workers are connected to.
    relay::ChannelCache::Connect connect = rpc::MakeChannel;
  };

  explicit JobManager(Dependencies dependencies, JobLimits limits = {});
  ~JobManager() override;

  // Takes up the jobs that an earlier coordinator left.
  void Recover(std::vector<jobs::StoredJob> found);

  // A submission, as JobService documents it. The answer may come later.
  // `is_new`: false for the job of an earlier call with the same request_id.
  using Submitted = std::function<void(absl::StatusOr<JobEntry*>, bool is_new)>;
  void Submit(v1::JobSubmission submission, Submitted answer);
  // A client's stream is there, or gone. `reads`: it is sent the results.
  void Attach(JobEntry& job, JobWatcher* watcher, bool submitter, bool reads);
  void Detach(JobEntry& job, JobWatcher* watcher, bool submitter);
  // The stream of a submitter was lost before its end.
  void ClientLost(JobEntry& job);
  // A reader has taken so many bytes of results altogether.
  void SetTaken(JobEntry& job, JobWatcher* watcher, uint64_t bytes);

  // Inputs, from the one who gives them.
  bool WantsInputs(const JobEntry& job) const;
  void AddInputs(JobEntry& job, std::shared_ptr<const jobs::RecordBlock> block, bool store,
                 std::string cursor = "");
  void SkipInputs(JobEntry& job, uint64_t count);
  void CompleteInputs(JobEntry& job);
  // The stored ones have all been given: those of a restarted coordinator.
  void OnStoredInputsGiven(JobEntry& job, const jobs::StoredJob& found);
  // Asks for inputs again at this time.
  void WakeLater(JobEntry& job, SteadyTime when);
  // That have arrived.
  uint64_t InputsOf(const JobEntry& job) const { return scheduler_.StatusOf(job.id).inputs; }
  const jobs::IntervalSet& DoneOf(const JobEntry& job) const { return scheduler_.DoneOf(job.id); }
  void EndJob(JobEntry& job, jobs::JobState state, const std::string& detail);

  JobEntry* Find(absl::string_view name);
  v1::Job View(const JobEntry& job, bool with_failures) const;
  absl::StatusOr<v1::ListJobsResponse> List(const v1::ListJobsRequest& request) const;
  void Cancel(const std::string& name, std::function<void(absl::StatusOr<v1::Job>)> answer);
  void ListTasks(const std::string& server,
                 const std::function<void(absl::StatusOr<v1::ListTasksResponse>)>& answer);
  // Calls back with the body of a part, at once or later.
  void ReadPart(JobEntry& job, const jobs::ResultIndex::Entry& part,
                std::function<void(absl::StatusOr<std::shared_ptr<const std::string>>)> answer);

  JobFigures Figures() const {
    return {active_.size(), scheduler_.chunks_in_flight(), scheduler_.counters()};
  }

  // "job j7 countdown, input 4711": what a worker ran, as its flight recorder tells it.
  std::string DescribeRunning(jobs::ChunkId chunk, uint64_t input) const;

  SteadyTime OnTimer();
  // No more work: links are closed, jobs stay as they are.
  void Shutdown();

  // FleetObserver
  void OnServer(const FleetServer& server) override;
  void OnWorkerExited(const std::string& worker, int64_t pid, const supervision::ExitRecord& exit,
                      const std::vector<RunningTask>& running) override;

 private:
  // The process in a worker's slot, and the line to it.
  struct Seat {
    FleetWorker worker;
    std::string server;
    jobs::WorkerId id = 0;  // of the link; 0: none yet
    std::shared_ptr<ComputeLink> link;
    bool joined = false;  // the scheduler knows it
    bool killed = false;  // by us
    bool unable = false;  // this process does not compute
    SteadyTime retry_at;  // when there is no link
    SteadyDuration backoff{};
  };
  struct ServerState {
    bool running = false;
    SteadyDuration cancel_grace = std::chrono::seconds(1);
    std::map<std::string, Seat> seats;
    absl::optional<std::vector<v1::TaskInfo>> tasks;  // of the worker that came last
    size_t connected = 0;
  };
  struct Line {
    std::string server;
    std::string worker;
    std::weak_ptr<ComputeLink> link;
  };
  struct Waiting {  // for the tasks of a server
    std::string server;
    SteadyTime deadline;
    std::function<void()> go_on;
  };

  // jobs::WorkerPort
  void SendChunk(jobs::WorkerId worker, jobs::Chunk chunk) override;
  void CancelChunk(jobs::WorkerId worker, jobs::ChunkId chunk) override;
  void KillWorker(jobs::WorkerId worker, const std::string& reason) override;
  absl::optional<uint64_t> RunningInputOf(jobs::WorkerId worker, jobs::ChunkId chunk) override;
  // jobs::SchedulerObserver
  void OnFinished(jobs::JobId job, jobs::ResultPart part) override;
  void OnQuarantined(jobs::JobId job, const jobs::Failure& failure) override;
  void OnEnded(jobs::JobId job) override;

  // job_manager.cc: jobs.
  void SubmitChecked(v1::JobSubmission submission, const Submitted& answer);
  absl::Status CheckRoom(const v1::JobSubmission& submission) const;
  absl::Status CheckServer(const std::string& server) const;
  absl::Status CheckTask(const std::string& server, const std::string& task) const;
  JobEntry& Create(v1::JobSubmission submission);
  void Schedule(JobEntry& job, jobs::JobPlan plan);
  absl::Status ResolveSource(v1::JobSpec* spec) const;
  void FeedPayloads(JobEntry& job, const std::string& place);
  void OnStored(jobs::JobId id, const absl::Status& status);
  void OnPartStored(jobs::JobId id, const absl::StatusOr<jobs::StoredPart>& part,
                    const std::shared_ptr<const std::string>& body);
  void AddEvent(v1::EventType type, const JobEntry& job, const std::string& reason);

  // job_manager_ends.cc: ends, and what is left of ended jobs.
  void FinishEnd(JobEntry& job);
  void OnEndStored(jobs::JobId id, const absl::Status& status);
  void Keep(JobEntry& job);
  void Forget(jobs::JobId id);
  void DropExpired();
  void UpdateUnread(JobEntry& job);
  void Touch(JobEntry& job) {
    job.changed = true;
    touched_.insert(job.id);
  }
  // After everything that may have changed something: tells watchers, ends jobs, sets the timer.
  void Settle();
  void TellProgress(JobEntry& job, SteadyTime now);
  std::string DetailOf(const JobEntry& job) const;

  // job_manager_recovery.cc
  void RecoverJob(jobs::StoredJob found);
  void Resume(JobEntry& job, const jobs::StoredJob& found);
  void EndRecovered(JobEntry& job, const jobs::StoredJob& found, const std::string& detail);

  // job_manager_workers.cc: workers.
  void Connect(Seat& seat);
  Seat* FindSeat(jobs::WorkerId id);
  void OnHello(jobs::WorkerId id, const v1::ComputeHello& hello);
  void OnLinkClosed(jobs::WorkerId id, const absl::Status& status);
  void WithTasks(const std::string& server, std::function<void()> go_on);
  void WakeWaiting(const std::string& server);
  SteadyTime GiveUpWaiting(SteadyTime now);
  SteadyTime Reconnect(SteadyTime now);

  const Dependencies deps_;
  const JobLimits limits_;
  relay::ChannelCache channels_;
  jobs::Scheduler scheduler_;

  std::map<jobs::JobId, std::unique_ptr<JobEntry>> jobs_;
  std::map<std::string, jobs::JobId> request_ids_;
  std::multimap<absl::Time, jobs::JobId> expiry_;  // of ended jobs
  jobs::JobId last_job_ = 0;
  std::set<jobs::JobId> active_;  // whose end is not stored

  std::map<std::string, ServerState> servers_;
  std::map<jobs::WorkerId, Line> links_;
  jobs::WorkerId last_link_ = 0;
  const std::shared_ptr<OpenCount> open_links_ = std::make_shared<OpenCount>();
  std::vector<Waiting> waiting_;
  std::multimap<SteadyTime, jobs::JobId> wakes_;  // of feeds

  std::set<jobs::JobId> touched_;
  std::vector<jobs::JobId> ended_;  // their end is to be stored
  bool settling_ = false;
  bool store_busy_ = false;
  bool stopping_ = false;
  // What comes back later holds it weakly: it may outlive this.
  std::shared_ptr<JobManager*> self_;
};

// Errors about jobs that several files give.
absl::Status JobNotFound(absl::string_view name);

}  // namespace center::coordinator
