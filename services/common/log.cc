#include "services/common/log.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "services/common/status_macros.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace center {
namespace {

// A message as JSON has it, with its quotes: spdlog's own patterns take it as it is.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& line) override {
    // What is no UTF-8 becomes U+FFFD; nothing is thrown.
    const std::string text =
        nlohmann::json(std::string(message.payload.data(), message.payload.size()))
            .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

}  // namespace

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
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<JsonMessage>('*').set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","process":"%n","pid":%P,"message":%*})");
    logger->set_formatter(std::move(formatter));
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
  // Quotes are no danger, and people read them: back to what they were.
  std::string out = absl::StrReplaceAll(absl::Utf8SafeCEscape(text.substr(0, max_bytes)),
                                        {{"\\\\", "\\\\"}, {"\\'", "'"}, {"\\\"", "\""}});
  if (text.size() > max_bytes) absl::StrAppend(&out, "…");
  return out;
}

}  // namespace center
