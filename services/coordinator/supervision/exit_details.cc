#include "services/coordinator/supervision/exit_details.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace center::supervision {

std::string LastLines(absl::string_view text, size_t bytes_max) {
  if (text.size() > bytes_max) {
    const size_t begin = text.size() - bytes_max;
    // From the byte before: it may be the end of a line.
    const size_t line_end = text.find('\n', begin - 1);
    const bool line_follows = line_end != absl::string_view::npos && line_end + 1 < text.size();
    text.remove_prefix(line_follows ? line_end + 1 : begin);
    while (!text.empty() && (text.front() & 0xC0) == 0x80) text.remove_prefix(1);
  }
  return std::string(text);
}

std::map<std::string, std::string> ExitDetails(const ExitRecord& record, SteadyDuration uptime) {
  std::map<std::string, std::string> details;
  const ProcessExit& exit = record.exit;
  details["cause"] = std::string(DeathCauseName(record.cause));
  if (exit.pid != 0) {
    details["pid"] = absl::StrCat(exit.pid);
    details["uptime_ms"] =
        absl::StrCat(std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count());
    if (exit.signal != 0) {
      details["signal"] = absl::StrCat(exit.signal);
      if (exit.core_dumped) details["core_dumped"] = "true";
    } else if (exit.known) {
      details["exit_code"] = absl::StrCat(exit.exit_code);
    }
  }
  const auto add = [&details](const char* key, std::string value) {
    if (!value.empty()) details[key] = std::move(value);
  };
  add("ended_by", record.ended_by);
  add("running", absl::StrJoin(record.running, "\n"));
  add("stack", record.stack);
  add("stderr", LastLines(exit.stderr_tail, kEventStderrBytesMax));
  return details;
}

}  // namespace center::supervision
