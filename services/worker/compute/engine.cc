#include "services/worker/compute/engine.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center::compute {
namespace {

// How long a thread may take to end that runs no chunk: it answers the last one, and destroys the
// states of tasks.
constexpr absl::Duration kThreadEndTimeout = absl::Seconds(5);

// Only in the thread's own line of /proc, stacks and debuggers; at most 15 characters.
void NameThread(const std::string& name) { ::pthread_setname_np(::pthread_self(), name.c_str()); }

// Lower priority for the calling thread. On Linux a thread has a niceness of its own; making it
// larger needs no privilege, and where it fails the thread just does not give way.
void BeNice(int nice) {
  if (nice > 0) ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
}

}  // namespace

Engine::Engine(const Options& options, const TaskRegistry& tasks, FlightRecorder* recorder,
               Clock& clock)
    : options_(options),
      tasks_(tasks),
      clock_(clock),
      own_recorder_(recorder == nullptr ? std::make_unique<FlightRecorder>() : nullptr),
      running_(recorder == nullptr ? own_recorder_->running : recorder->running) {
  absl::MutexLock lock(&mutex_);
  seats_.resize(std::clamp<uint32_t>(options.threads, 1, FlightRecorder::kThreadsMax));
  threads_alive_ = seats_.size();
  for (size_t i = 0; i < seats_.size(); ++i) {
    seats_[i].thread = std::thread([this, i] { ThreadLoop(i); });
  }
  watcher_ = std::thread([this] { WatchLoop(); });
}

Engine::~Engine() {
  Stop(absl::InfiniteDuration());
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    for (Seat& seat : seats_) threads.push_back(std::move(seat.thread));
  }
  for (std::thread& thread : threads) thread.join();
  watcher_.join();
}

absl::StatusOr<Engine::Ticket> Engine::Submit(Chunk chunk, Done done) {
  const size_t bytes = chunk.inputs.bytes();
  absl::MutexLock lock(&mutex_);
  if (refusing_) return absl::UnavailableError("the worker is ending");
  if (waiting_.size() >= options_.waiting_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat(waiting_.size(), " chunks are waiting already"));
  }
  if (!waiting_.empty() && waiting_bytes_ + bytes > options_.waiting_bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("chunks with ", waiting_bytes_, " bytes of inputs are waiting already"));
  }
  auto run = std::make_shared<Run>();
  run->ticket = next_ticket_++;
  run->chunk = std::move(chunk);
  run->done = std::move(done);
  run->submitted = clock_.Steady();
  runs_.emplace(run->ticket, run);
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(run));
  work_.Signal();
  return waiting_.back()->ticket;
}

void Engine::Cancel(Ticket ticket) {
  std::shared_ptr<Run> run;
  Done done;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(ticket);
    if (found == runs_.end()) return;
    run = found->second;
    run->stop.Cancel();
    const auto waiting = std::find(waiting_.begin(), waiting_.end(), run);
    if (waiting == waiting_.end()) return;  // its thread will answer
    waiting_.erase(waiting);
    waiting_bytes_ -= run->chunk.inputs.bytes();
    runs_.erase(found);
    done = std::move(run->done);
  }
  AnswerCancelled(*run, done);
}

void Engine::Abandon(Ticket ticket) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(ticket);
    if (found == runs_.end()) return;
    found->second->done = nullptr;
    for (size_t i = 0; i < seats_.size(); ++i) {
      if (seats_[i].run == found->second) running_[i].chunk.store(0, std::memory_order_relaxed);
    }
  }
  Cancel(ticket);
}

void Engine::Refuse() {
  {
    absl::MutexLock lock(&mutex_);
    refusing_ = true;
  }
  CancelWaiting();
}

void Engine::CancelAll() {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [ticket, run] : runs_) run->stop.Cancel();
  }
  CancelWaiting();
}

void Engine::CancelWaiting() {
  std::vector<std::pair<std::shared_ptr<Run>, Done>> cancelled;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::shared_ptr<Run>& run : waiting_) {
      runs_.erase(run->ticket);
      cancelled.emplace_back(run, std::move(run->done));
    }
    waiting_.clear();
    waiting_bytes_ = 0;
  }
  for (const auto& [run, done] : cancelled) AnswerCancelled(*run, done);
}

bool Engine::Stop(absl::Duration grace) {
  Refuse();
  CancelAll();
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  work_.SignalAll();
  watch_.SignalAll();
  const absl::Time deadline = absl::Now() + grace;
  while (threads_alive_ > 0 && absl::Now() < deadline) {
    ended_.WaitWithDeadline(&mutex_, deadline);
  }
  const auto runs = [](const Seat& seat) { return seat.run != nullptr; };
  if (std::any_of(seats_.begin(), seats_.end(), runs)) return false;
  // Those that run nothing end by themselves.
  const absl::Time last = absl::Now() + kThreadEndTimeout;
  while (threads_alive_ > 0 && absl::Now() < last) ended_.WaitWithDeadline(&mutex_, last);
  return threads_alive_ == 0;
}

Engine::Stats Engine::stats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats{.inputs_done = inputs_done_, .task_time = task_time_, .chunks = runs_.size()};
  // What is under way counts as well: a chunk may take an hour.
  for (size_t i = 0; i < seats_.size(); ++i) {
    const Seat& seat = seats_[i];
    if (seat.run == nullptr) continue;
    stats.inputs_done +=
        running_[i].input.load(std::memory_order_relaxed) - seat.run->chunk.first_index;
    stats.task_time += absl::FromChrono(clock_.Steady() - seat.started);
  }
  return stats;
}

void Engine::ThreadLoop(size_t index) {
  NameThread(absl::StrCat("compute/", index));
  BeNice(options_.nice);
  {
    TaskStateCache states;
    while (const std::shared_ptr<Run> run = Take(index, states)) {
      Answer(index, run, Execute(index, *run, states));
    }
  }
  absl::MutexLock lock(&mutex_);
  --threads_alive_;
  ended_.SignalAll();
}

std::shared_ptr<Engine::Run> Engine::Take(size_t index, TaskStateCache& states) {
  absl::MutexLock lock(&mutex_);
  while (waiting_.empty() && !stopping_) {
    if (states.empty()) {
      work_.Wait(&mutex_);
    } else if (work_.WaitWithTimeout(&mutex_, kStatesKept) && waiting_.empty()) {
      mutex_.Unlock();  // they are the user's, and may take their time
      states.Clear();
      mutex_.Lock();
    }
  }
  if (stopping_) return nullptr;
  std::shared_ptr<Run> run = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= run->chunk.inputs.bytes();
  seats_[index].run = run;
  seats_[index].started = clock_.Steady();
  running_[index].input.store(run->chunk.first_index, std::memory_order_relaxed);
  running_[index].chunk.store(run->chunk.id, std::memory_order_relaxed);
  if (run->chunk.input_timeout < absl::InfiniteDuration()) watch_.Signal();
  return run;
}

ChunkResult Engine::Execute(size_t index, const Run& run, TaskStateCache& states) {
  const SteadyTime begin = clock_.Steady();
  ChunkRunner runner(run.chunk, run.stop, running_[index]);
  RunOutcome outcome;
  if (const TaskRegistry::Entry* entry = tasks_.Find(run.chunk.task); entry == nullptr) {
    outcome = runner.FailAll(Failure::Cause::kTaskError,
                             absl::StrCat("this worker has no task '", run.chunk.task, "'"));
  } else if (auto state = states.Get(entry->task, run.chunk); !state.ok()) {
    outcome = runner.FailAll(
        absl::IsInternal(state.status()) ? Failure::Cause::kException : Failure::Cause::kTaskError,
        state.status().message());
  } else {
    outcome = runner.Run(**state);
  }
  ChunkResult result;
  result.chunk_id = run.chunk.id;
  result.results = std::move(outcome.results);
  result.failures = std::move(outcome.failures);
  result.cancelled = outcome.cancelled;
  result.wait_time = absl::FromChrono(begin - run.submitted);
  result.task_time = absl::FromChrono(clock_.Steady() - begin);
  return result;
}

void Engine::Answer(size_t index, const std::shared_ptr<Run>& run, ChunkResult result) {
  Done done;
  {
    absl::MutexLock lock(&mutex_);
    inputs_done_ += result.results.count;
    task_time_ += result.task_time;
    running_[index].chunk.store(0, std::memory_order_relaxed);
    seats_[index].run = nullptr;
    done = std::move(run->done);
  }
  if (done != nullptr) done(std::move(result));
  absl::MutexLock lock(&mutex_);
  runs_.erase(run->ticket);
}

void Engine::AnswerCancelled(const Run& run, const Done& done) const {
  if (done == nullptr) return;
  ChunkResult result;
  result.chunk_id = run.chunk.id;
  result.cancelled = run.chunk.inputs.count() > 0;
  result.wait_time = absl::FromChrono(clock_.Steady() - run.submitted);
  done(std::move(result));
}

void Engine::WatchLoop() {
  NameThread("compute/watch");
  absl::MutexLock lock(&mutex_);
  while (!stopping_) watch_.WaitWithTimeout(&mutex_, CheckTimeouts());
}

absl::Duration Engine::CheckTimeouts() {
  absl::Duration pause = absl::InfiniteDuration();
  const SteadyTime now = clock_.Steady();
  for (size_t i = 0; i < seats_.size(); ++i) {
    Seat& seat = seats_[i];
    if (seat.run == nullptr || seat.run->chunk.input_timeout == absl::InfiniteDuration()) continue;
    const absl::Duration timeout = seat.run->chunk.input_timeout;
    const uint64_t input = running_[i].input.load(std::memory_order_relaxed);
    if (seat.watch.Look(seat.run->ticket, input, now, timeout)) seat.run->stop.TimeOut(input);
    pause = std::min(pause, TimeoutWatch::Pause(timeout));
  }
  return pause;
}

}  // namespace center::compute
