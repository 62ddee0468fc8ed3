#include "services/common/proc_stat.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center {

// proc(5): "pid (comm) state ppid … starttime(22) …"; comm may hold anything, so the fields are
// counted from its last parenthesis.
absl::StatusOr<ProcStat> ReadProcStat(int64_t pid) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(absl::StrCat("/proc/", pid, "/stat")));
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return absl::DataLossError("/proc/…/stat has no name");
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(text).substr(end + 1), ' ', absl::SkipEmpty());
  ProcStat stat;
  constexpr size_t kStateField = 0;        // field 3 of the whole line
  constexpr size_t kParentField = 1;       // field 4
  constexpr size_t kStartTicksField = 19;  // field 22
  if (fields.size() <= kStartTicksField || fields[kStateField].size() != 1 ||
      !absl::SimpleAtoi(fields[kParentField], &stat.parent) ||
      !absl::SimpleAtoi(fields[kStartTicksField], &stat.start_ticks)) {
    return absl::DataLossError("/proc/…/stat is not as documented");
  }
  stat.state = fields[kStateField][0];
  return stat;
}

}  // namespace center
