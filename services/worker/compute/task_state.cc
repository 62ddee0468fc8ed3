#include "services/worker/compute/task_state.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::compute {
namespace {

struct Setup : center_setup {
  std::string error;

  static int Fail(center_setup* setup, const char* message, size_t bytes) {
    static_cast<Setup*>(setup)->error.assign(message, std::min(bytes, kMessageBytesMax));
    return 1;
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<TaskState>> TaskState::Create(const center_task& task,
                                                             const std::vector<std::string>& args) {
  if (task.create == nullptr) {
    if (!args.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("task ", task.name, " takes no arguments"));
    }
    return std::unique_ptr<TaskState>(new TaskState(task, nullptr));
  }
  std::vector<center_bytes> bytes;
  bytes.reserve(args.size());
  for (const std::string& arg : args) bytes.push_back({arg.c_str(), arg.size()});
  Setup setup{};
  setup.struct_bytes = sizeof(center_setup);
  setup.arg_count = static_cast<uint32_t>(bytes.size());
  setup.args = bytes.data();
  setup.fail = &Setup::Fail;
  int code = 0;
  try {
    code = task.create(&setup);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("create has thrown: ", error.what()));
  } catch (...) {
    return absl::InternalError("create has thrown an exception");
  }
  if (code != 0) {
    return absl::InvalidArgumentError(setup.error.empty()
                                          ? absl::StrCat("create has failed with code ", code)
                                          : std::move(setup.error));
  }
  return std::unique_ptr<TaskState>(new TaskState(task, setup.state));
}

TaskState::~TaskState() {
  if (task_.destroy == nullptr) return;
  try {
    task_.destroy(state_);
  } catch (...) {
    // There is no input that it could be blamed on, and nobody who waits for it.
    (void)0;
  }
}

absl::StatusOr<TaskState*> TaskStateCache::Get(const center_task& task, const Chunk& chunk) {
  for (auto entry = states_.begin(); entry != states_.end(); ++entry) {
    if (&entry->state->task() == &task && entry->job == chunk.job && entry->args == chunk.args) {
      states_.splice(states_.begin(), states_, entry);
      return states_.front().state.get();
    }
  }
  if (states_.size() >= kStatesMax) states_.pop_back();
  ASSIGN_OR_RETURN(auto state, TaskState::Create(task, chunk.args));
  states_.push_front({chunk.job, chunk.args, std::move(state)});
  return states_.front().state.get();
}

}  // namespace center::compute
