// The tasks that a worker offers, by name: the built-in ones, and those of the user's modules.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "center/task.h"

namespace center::compute {

// Limits of center/task.h.
inline constexpr size_t kTaskNameBytesMax = 63;
inline constexpr uint32_t kTasksPerModuleMax = 256;
// Libraries that a worker loads.
inline constexpr size_t kModulesMax = 16;

// Filled before the engine starts, constant from then on.
class TaskRegistry {
 public:
  struct Entry {
    center_task task;    // its strings live as long as the process
    std::string module;  // path of its library; empty: built in
  };

  // With the built-in tasks.
  static TaskRegistry WithBuiltIns();

  // Loads a library and adds its tasks, all or none. The library stays loaded whatever happens.
  // InvalidArgument that names the library and says what is wrong with it: it cannot be loaded, has
  // no center_task_module_get, or that throws or returns nothing; another ABI version; a malformed
  // task, or one whose name is taken.
  absl::Status LoadModule(const std::string& path);
  // Adds one task. InvalidArgument as above.
  absl::Status Add(const center_task& task, absl::string_view module = "");

  // Null when there is none of that name.
  const Entry* Find(absl::string_view name) const;
  // By name.
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

// All that is built in.
absl::Span<const center_task> BuiltInTasks();

}  // namespace center::compute
