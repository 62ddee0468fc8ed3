#include "services/common/rpc/freed_memory.h"

#include <malloc.h>

#include <cstdlib>

namespace center::rpc {

void KeepFreedMemory() {
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
}

}  // namespace center::rpc
