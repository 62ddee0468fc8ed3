#include "cli/payload_flags.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/cursor.h"
#include "cli/errors.h"
#include "cli/flags.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::string_view kCursorPrefix = "cursor:";

}  // namespace

absl::StatusOr<v1::StartPosition> ParseStart(const std::string& from, absl::Time now) {
  v1::StartPosition start;
  if (from == "earliest") {
    start.set_place(v1::StartPosition::PLACE_EARLIEST);
  } else if (from == "latest") {
    start.set_place(v1::StartPosition::PLACE_LATEST);
  } else if (absl::StartsWith(from, kCursorPrefix)) {
    const std::string path(absl::StripPrefix(from, kCursorPrefix));
    ASSIGN_OR_RETURN(*start.mutable_cursor(), LoadCursor(path));
  } else {
    const auto time = ParseMoment(from, now);
    if (!time.ok()) {
      return UsageError(absl::StrCat("--from takes earliest, latest, cursor:FILE or a time; ",
                                     time.status().message()));
    }
    *start.mutable_time() = ToProto(*time);
  }
  return start;
}

void AddFilterFlags(CLI::App& app, FilterFlags& flags) {
  app.add_option("--kind", flags.kinds, "Only payloads of this kind; may be repeated")
      ->type_name("json|text|binary")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::IsMember({"json", "text", "binary"}).description(""));
  app.add_option("--contains", flags.contains, "Only payloads that contain this text")
      ->type_name("TEXT");
  app.add_option("--regex", flags.regex, "Only payloads in which this RE2 expression matches")
      ->type_name("RE");
}

absl::optional<v1::PayloadFilter> FilterOf(const FilterFlags& flags) {
  v1::PayloadFilter filter;
  for (const std::string& kind : flags.kinds) {
    filter.add_kinds(kind == "json"   ? v1::PAYLOAD_KIND_JSON
                     : kind == "text" ? v1::PAYLOAD_KIND_TEXT
                                      : v1::PAYLOAD_KIND_BINARY);
  }
  filter.set_contains(flags.contains);
  filter.set_regex(flags.regex);
  if (filter.ByteSizeLong() == 0) return absl::nullopt;
  return filter;
}

}  // namespace center::cli
