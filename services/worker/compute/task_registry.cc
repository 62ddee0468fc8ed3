#include "services/worker/compute/task_registry.h"

#include <dlfcn.h>

#include <algorithm>
#include <exception>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"

namespace center::compute {
namespace {

absl::Status InvalidModule(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("task module ", path, ": ", what));
}

bool IsName(absl::string_view name) {
  const auto in_name = [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.' || c == '-';
  };
  return !name.empty() && name.size() <= kTaskNameBytesMax &&
         absl::ascii_islower(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(), in_name);
}

// The table of a library, whose first function may do anything.
absl::StatusOr<const center_task_module*> TableOf(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return InvalidModule(path, absl::StrCat("cannot be loaded: ", why == nullptr ? "?" : why));
  }
  void* symbol = ::dlsym(library, CENTER_TASK_MODULE_SYMBOL);
  if (symbol == nullptr) {
    return InvalidModule(path, "exports no " CENTER_TASK_MODULE_SYMBOL
                               " (see center/task.h): this is no task module");
  }
  // What POSIX says how a function comes out of dlsym.
  const auto get = reinterpret_cast<center_task_module_get_function>(symbol);
  const center_task_module* table = nullptr;
  try {
    table = get();
  } catch (const std::exception& error) {
    return InvalidModule(path,
                         absl::StrCat(CENTER_TASK_MODULE_SYMBOL " has thrown: ", error.what()));
  } catch (...) {
    return InvalidModule(path, CENTER_TASK_MODULE_SYMBOL " has thrown an exception");
  }
  if (table == nullptr) {
    return InvalidModule(path, CENTER_TASK_MODULE_SYMBOL " has returned NULL");
  }
  return table;
}

absl::Status CheckTable(const std::string& path, const center_task_module& table) {
  if (table.abi_version != CENTER_TASK_ABI_VERSION) {
    return InvalidModule(path,
                         absl::StrCat("has ABI version ", table.abi_version, ", this worker has ",
                                      CENTER_TASK_ABI_VERSION,
                                      ": build the module against this version's center/task.h"));
  }
  if (table.task_bytes < sizeof(center_task)) {
    return InvalidModule(path, absl::StrCat("task_bytes is ", table.task_bytes, ", not ",
                                            sizeof(center_task), " (sizeof(center_task))"));
  }
  if (table.task_count == 0 || table.task_count > kTasksPerModuleMax || table.tasks == nullptr) {
    return InvalidModule(path, absl::StrCat("has ", table.task_count, " tasks; there must be 1 to ",
                                            kTasksPerModuleMax));
  }
  return absl::OkStatus();
}

}  // namespace

TaskRegistry TaskRegistry::WithBuiltIns() {
  TaskRegistry registry;
  for (const center_task& task : BuiltInTasks()) {
    // They keep the rules, which a test sees.
    registry.Add(task).IgnoreError();
  }
  return registry;
}

absl::Status TaskRegistry::LoadModule(const std::string& path) {
  ASSIGN_OR_RETURN(const center_task_module* table, TableOf(path));
  RETURN_IF_ERROR(CheckTable(path, *table));
  TaskRegistry grown = *this;
  const char* at = reinterpret_cast<const char*>(table->tasks);
  for (uint32_t i = 0; i < table->task_count; ++i) {
    // The module's own idea of how large a task is.
    const auto* task = reinterpret_cast<const center_task*>(at + size_t{i} * table->task_bytes);
    const absl::Status added = grown.Add(*task, path);
    if (!added.ok()) return InvalidModule(path, added.message());
  }
  entries_ = std::move(grown.entries_);
  return absl::OkStatus();
}

absl::Status TaskRegistry::Add(const center_task& task, absl::string_view module) {
  if (task.name == nullptr || !IsName(task.name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a task's name must have 1 to ", kTaskNameBytesMax,
                     " characters of [a-z0-9_.-], the first a letter"));
  }
  const std::string name = task.name;
  if (task.summary == nullptr || task.help == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("task ", name, " has no summary or no help"));
  }
  if ((task.run == nullptr) == (task.run_many == nullptr)) {
    return absl::InvalidArgumentError(
        absl::StrCat("task ", name, " must have either run or run_many"));
  }
  const auto [entry, is_new] = entries_.try_emplace(name, Entry{task, std::string(module)});
  if (is_new) return absl::OkStatus();
  const std::string& owner = entry->second.module;
  return absl::InvalidArgumentError(absl::StrCat(
      "task ", name, " is there already: ", owner.empty() ? "built in" : "from " + owner));
}

const TaskRegistry::Entry* TaskRegistry::Find(absl::string_view name) const {
  const auto found = entries_.find(std::string_view(name.data(), name.size()));
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace center::compute
