#include "services/common/log.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace center {

absl::Status CheckLogLevel(const std::string& level) {
  if (spdlog::level::from_str(level) != spdlog::level::off || level == "off") {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown log level '", level, "': use trace, debug, info, warning, error or off"));
}

absl::Status InitLogging(const LogOptions& options) {
  RETURN_IF_ERROR(CheckLogLevel(options.level));
  const auto level = spdlog::level::from_str(options.level);
  auto logger = std::make_shared<spdlog::logger>(options.name,
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (options.format == "json") {
    logger->set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","process":"%n","pid":%P,"message":"%v"})");
  } else if (options.format == "text") {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %L %n[%P] %v");
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown log format '", options.format, "': use text or json"));
  }
  logger->set_level(level);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

std::string Printable(absl::string_view text, size_t max_bytes) {
  std::string out = absl::Utf8SafeCEscape(text.substr(0, max_bytes));
  if (text.size() > max_bytes) absl::StrAppend(&out, "…");
  return out;
}

}  // namespace center
