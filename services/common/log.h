// Logging: spdlog behind three calls. Every process logs to stderr, as text or as one JSON object a
// line.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "spdlog/spdlog.h"

namespace center {

// Installs the process-wide logger. `format` is "text" or "json"; `name` is the process
// ("coordinator", "default/0"). InvalidArgument for another format or level.
struct LogOptions {
  std::string name;
  std::string format = "text";
  std::string level = "info";
};
absl::Status InitLogging(const LogOptions& options);
// InvalidArgument when there is no such level.
absl::Status CheckLogLevel(const std::string& level);

// For what comes from outside (peers, payloads, stderr of children) and must not forge a line or
// move a terminal's cursor: control characters and backslashes become C escapes, at most
// `max_bytes` are kept.
std::string Printable(absl::string_view text, size_t max_bytes = 256);

}  // namespace center

// What the log's format strings take beside fmt's own types.
#ifndef ABSL_USES_STD_STRING_VIEW
template <>
struct fmt::formatter<absl::string_view> : fmt::formatter<fmt::string_view> {
  template <typename Context>
  auto format(absl::string_view text, Context& context) const {
    return fmt::formatter<fmt::string_view>::format({text.data(), text.size()}, context);
  }
};
#endif

template <>
struct fmt::formatter<absl::Status> : fmt::formatter<fmt::string_view> {
  template <typename Context>
  auto format(const absl::Status& status, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(
        status.ToString(absl::StatusToStringMode::kWithNoExtraData), context);
  }
};
