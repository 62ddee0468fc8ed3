#include "services/coordinator/api/process_identity.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::coordinator {
namespace {

struct ProcStat {
  char state = '?';
  uint64_t start_ticks = 0;
};

// proc(5): "pid (comm) state ppid … starttime(22) …"; comm may hold anything, so the fields are
// counted from its last parenthesis.
absl::StatusOr<ProcStat> ReadStat(int64_t pid) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(absl::StrCat("/proc/", pid, "/stat")));
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return absl::DataLossError("/proc/…/stat has no name");
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(text).substr(end + 1), ' ', absl::SkipEmpty());
  ProcStat stat;
  constexpr size_t kStateField = 0;        // field 3 of the whole line
  constexpr size_t kStartTicksField = 19;  // field 22
  if (fields.size() <= kStartTicksField || fields[kStateField].size() != 1 ||
      !absl::SimpleAtoi(fields[kStartTicksField], &stat.start_ticks)) {
    return absl::DataLossError("/proc/…/stat is not as documented");
  }
  stat.state = fields[kStateField][0];
  return stat;
}

std::string BootId() {
  return std::string(
      absl::StripAsciiWhitespace(ReadSmallFile("/proc/sys/kernel/random/boot_id").value_or("")));
}

}  // namespace

state::ProcessRecord IdentifyProcess(absl::string_view worker, int64_t pid) {
  state::ProcessRecord record{.worker = std::string(worker), .pid = pid, .boot_id = BootId()};
  if (auto stat = ReadStat(pid); stat.ok()) record.start_ticks = stat->start_ticks;
  return record;
}

bool IsSameProcess(const state::ProcessRecord& record) {
  if (record.start_ticks == 0 || record.boot_id.empty() || record.boot_id != BootId()) return false;
  const auto stat = ReadStat(record.pid);
  return stat.ok() && stat->start_ticks == record.start_ticks && stat->state != 'Z' &&
         stat->state != 'X';
}

}  // namespace center::coordinator
