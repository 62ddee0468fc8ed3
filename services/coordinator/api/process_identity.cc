#include "services/coordinator/api/process_identity.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "services/common/proc_stat.h"

namespace center::coordinator {
namespace {

std::string BootId() {
  return std::string(
      absl::StripAsciiWhitespace(ReadSmallFile("/proc/sys/kernel/random/boot_id").value_or("")));
}

}  // namespace

state::ProcessRecord IdentifyProcess(absl::string_view worker, int64_t pid) {
  state::ProcessRecord record{.worker = std::string(worker), .pid = pid, .boot_id = BootId()};
  if (auto stat = ReadProcStat(pid); stat.ok()) record.start_ticks = stat->start_ticks;
  return record;
}

bool IsSameProcess(const state::ProcessRecord& record) {
  if (record.start_ticks == 0 || record.boot_id.empty() || record.boot_id != BootId()) return false;
  const auto stat = ReadProcStat(record.pid);
  return stat.ok() && stat->start_ticks == record.start_ticks && stat->state != 'Z' &&
         stat->state != 'X';
}

ScopedFd OpenProcess(const state::ProcessRecord& record) {
  if (!IsSameProcess(record)) return ScopedFd();
  ScopedFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
  // What the descriptor means cannot change any more: compared again, it is known to mean this one.
  if (!pidfd.valid() || !IsSameProcess(record)) return ScopedFd();
  return pidfd;
}

}  // namespace center::coordinator
