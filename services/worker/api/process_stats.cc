#include "services/worker/api/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/common/fd.h"

namespace center::worker {

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  // "<total> <resident> …" in pages.
  const auto statm = ReadSmallFile("/proc/self/statm");
  if (statm.ok()) {
    const std::vector<std::string> words = absl::StrSplit(*statm, ' ');
    uint64_t pages = 0;
    if (words.size() > 1 && absl::SimpleAtoi(words[1], &pages)) {
      stats.resident_bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    }
  }
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    stats.cpu_time =
        absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  }
  return stats;
}

}  // namespace center::worker
