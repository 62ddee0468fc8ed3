// One library for each way in which a module cannot be used: CMake defines which.
#include <center/task.h>

#include <stdexcept>

namespace {

int Run(void* /*state*/, center_call* /*call*/) { return 0; }

#if defined(BAD_NAME)
constexpr const char* kName = "Not A Name";
#elif defined(DUPLICATE)
constexpr const char* kName = "sha256";
#else
constexpr const char* kName = "fine";
#endif

#if defined(NO_RUN)
constexpr auto* kRun = static_cast<int (*)(void*, center_call*)>(nullptr);
#else
constexpr auto* kRun = &Run;
#endif

#if defined(OTHER_ABI)
constexpr uint32_t kVersion = CENTER_TASK_ABI_VERSION + 1;
#else
constexpr uint32_t kVersion = CENTER_TASK_ABI_VERSION;
#endif

#if defined(SHORT_TABLE)
constexpr uint32_t kTaskBytes = 8;
#else
constexpr uint32_t kTaskBytes = sizeof(center_task);
#endif

constexpr center_task kTasks[] = {
    {"first", "", "", nullptr, nullptr, &Run, nullptr},
    {kName, "", "", nullptr, nullptr, kRun, nullptr},
};
[[maybe_unused]] constexpr center_task_module kModule = {kVersion, kTaskBytes, 2, &kTasks[0]};

}  // namespace

#if defined(THROWS_AT_LOAD)
CENTER_TASK_EXPORT const center_task_module* center_task_module_get() {
  throw std::runtime_error("no licence");
}
#elif defined(RETURNS_NULL)
CENTER_TASK_EXPORT const center_task_module* center_task_module_get() { return nullptr; }
#elif !defined(NO_SYMBOL)
CENTER_TASK_EXPORT const center_task_module* center_task_module_get() { return &kModule; }
#endif
