#include "services/common/rpc/library_settings.h"

#include <malloc.h>

#include <cstdlib>

#include "absl/base/config.h"
#include "absl/synchronization/mutex.h"

namespace center::rpc {

void ApplyLibrarySettings() {
#if defined(__GLIBC__)
  // Each setting is taken or refused by itself; refused, it stays as it was, which is slower and
  // right.
  if (std::getenv("MALLOC_TRIM_THRESHOLD_") == nullptr) {
    (void)::mallopt(M_TRIM_THRESHOLD, static_cast<int>(kKeptPerHeapBytes));
  }
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") == nullptr) {
    (void)::mallopt(M_MMAP_THRESHOLD, static_cast<int>(kMappedFromBytes));
  }
#endif
#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace center::rpc
