#include "cli/flags.h"

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/args.h"
#include "services/common/text.h"

namespace center::cli {

CLI::Option* AddByteSize(CLI::App& app, const std::string& name, uint64_t* bytes,
                         const std::string& description) {
  const auto check = [bytes](const std::string& text) -> std::string {
    const auto parsed = ParseByteSize(text);
    if (!parsed.ok()) return std::string(parsed.status().message());
    *bytes = *parsed;
    return "";
  };
  return app.add_option_function<std::string>(
                name, [](const std::string&) {}, description)
      ->type_name("SIZE")
      ->check(check, "");
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration* duration,
                         const std::string& description) {
  const auto check = [duration](const std::string& text) -> std::string {
    const auto parsed = ParseDurationFlag(text);
    if (!parsed.ok()) return std::string(parsed.status().message());
    *duration = *parsed;
    return "";
  };
  return app.add_option_function<std::string>(
                name, [](const std::string&) {}, description)
      ->type_name("DURATION")
      ->check(check, "");
}

CLI::Option* AddChoice(CLI::App& app, const std::string& name, std::string* word,
                       std::vector<std::string> words, const std::string& description) {
  const std::string type = absl::StrJoin(words, "|");
  const auto check = [words = std::move(words)](const std::string& text) -> std::string {
    if (std::find(words.begin(), words.end(), text) != words.end()) return "";
    const std::string nearest = Nearest(text, words);
    return absl::StrCat("\"", text, "\" is none of ", absl::StrJoin(words, ", "),
                        nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?"));
  };
  return app.add_option(name, *word, description)->type_name(type)->check(check, "");
}

CLI::Validator WholeNumber(uint64_t least, uint64_t most) {
  const auto check = [least, most](std::string& text) -> std::string {
    const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
    uint64_t number = 0;
    if (!digits || (text.size() > 1 && text[0] == '0') || !absl::SimpleAtoi(text, &number)) {
      return absl::StrCat("\"", text, "\" is no whole number");
    }
    if (number >= least && number <= most) return "";
    return most == std::numeric_limits<uint64_t>::max()
               ? absl::StrCat(number, " is too small: at least ", least)
               : absl::StrCat(number, " is not between ", least, " and ", most);
  };
  return CLI::Validator(check, /*description=*/"");
}

absl::StatusOr<absl::Time> ParseMoment(absl::string_view text, absl::Time now) {
  const auto ago = ParseDurationFlag(text);
  if (ago.ok()) return now - *ago;
  const absl::TimeZone zone = absl::LocalTimeZone();
  absl::Time time;
  std::string error;
  for (const char* format : {absl::RFC3339_full, "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S",
                             "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, std::string(text), zone, &time, &error)) return time;
  }
  const std::string today = absl::FormatTime("%Y-%m-%d ", now, zone);
  for (const char* format : {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M"}) {
    if (absl::ParseTime(format, absl::StrCat(today, text), zone, &time, &error)) return time;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text,
                   "\" is no time: write 2025-06-01T12:00:00Z, \"2025-06-01 12:00:00\", 12:00, or "
                   "how long ago (10m)"));
}

}  // namespace center::cli
