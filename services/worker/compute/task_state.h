// The state of a task, as center_task.create made it from a job's arguments, and a small cache of
// them: a module may load a model there, and must not do it for every chunk.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "center/task.h"
#include "services/worker/compute/chunk.h"

namespace center::compute {

// Used by one thread.
class TaskState {
 public:
  // InvalidArgument, with the task's own words, when it does not take the arguments; Internal when
  // it throws.
  static absl::StatusOr<std::unique_ptr<TaskState>> Create(const center_task& task,
                                                           const std::vector<std::string>& args);
  ~TaskState();
  TaskState(const TaskState&) = delete;
  TaskState& operator=(const TaskState&) = delete;

  const center_task& task() const { return task_; }
  void* get() const { return state_; }

 private:
  TaskState(const center_task& task, void* state) : task_(task), state_(state) {}

  const center_task& task_;
  void* const state_;
};

// Those that were used last. Of one thread.
class TaskStateCache {
 public:
  static constexpr size_t kStatesMax = 4;

  // The state for this chunk's job, task and arguments; valid until the next call.
  absl::StatusOr<TaskState*> Get(const center_task& task, const Chunk& chunk);
  void Clear() { states_.clear(); }
  bool empty() const { return states_.empty(); }

 private:
  struct Entry {
    std::string job;
    std::vector<std::string> args;
    std::unique_ptr<TaskState> state;
  };
  std::list<Entry> states_;  // the last used first
};

}  // namespace center::compute
