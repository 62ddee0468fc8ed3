// `tail`: the payloads that a server receives.
#include <memory>

#include "cli/commands.h"
#include "cli/cursor.h"
#include "cli/flags.h"
#include "cli/payload_flags.h"
#include "cli/tailer.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

struct TailFlags {
  std::string server = "default";
  std::string worker;
  std::string from;
  std::string cursor_file;
  std::string subscription;
  FilterFlags filter;
  uint64_t count = 0;
  bool follow = false;
  bool no_follow = false;
  bool direct = false;
};

// What --from, --cursor and --subscription say together.
absl::StatusOr<v1::StartPosition> StartOf(const TailFlags& flags, absl::Time now) {
  v1::StartPosition start;
  if (!flags.cursor_file.empty()) {
    auto cursor = LoadCursor(flags.cursor_file);
    if (cursor.ok()) {
      *start.mutable_cursor() = *cursor;
      return start;
    }
    if (!absl::IsNotFound(cursor.status())) return cursor.status();
  }
  if (!flags.from.empty()) return ParseStart(flags.from, now);
  if (!flags.subscription.empty()) {
    start.set_subscription(flags.subscription);
  } else {
    start.set_place(flags.no_follow ? v1::StartPosition::PLACE_EARLIEST
                                    : v1::StartPosition::PLACE_LATEST);
  }
  return start;
}

absl::Status Tail(Context& context, const TailFlags& flags) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kPretty, Format::kRaw, Format::kJson}));
  if (flags.follow && flags.no_follow) {
    return UsageError("--follow and --no-follow exclude each other");
  }
  TailOptions options;
  ASSIGN_OR_RETURN(*options.request.mutable_start(), StartOf(flags, context.clock().Wall()));
  options.request.set_server(flags.server);
  options.request.set_worker(flags.worker);
  options.request.set_follow(!flags.no_follow);
  if (const auto filter = FilterOf(flags.filter)) *options.request.mutable_filter() = *filter;
  if (!flags.subscription.empty()) {
    const absl::Status valid = ValidateName("subscription name", flags.subscription);
    if (!valid.ok()) return UsageError(valid.message());
  }
  options.subscription = flags.subscription;
  options.cursor_file = flags.cursor_file;
  options.count = flags.count;
  if (flags.direct) options.route = Route::kDirect;
  options.format =
      context.globals().format == Format::kDefault ? Format::kPretty : context.globals().format;
  return Tailer(context, options).Run();
}

}  // namespace

void AddTailCommand(CLI::App& root, Selection& selection) {
  CLI::App* tail = root.add_subcommand("tail", "Show the payloads that a server receives");
  auto flags = std::make_shared<TailFlags>();
  tail->add_option("SERVER", flags->server, "The server (default: \"default\")")
      ->type_name("SERVER");
  tail->add_option("--from", flags->from,
                   "Where to start: earliest, latest (the default), a time (12:00, 10m ago as 10m, "
                   "2025-06-01T12:00:00Z), or cursor:FILE")
      ->type_name("PLACE");
  tail->add_option("--count", flags->count, "End after so many payloads (default 0: no limit)")
      ->type_name("N")
      ->check(WholeNumber());
  tail->add_flag("-f,--follow", flags->follow,
                 "Go on with new payloads until Ctrl-C (the default)");
  tail->add_flag(
      "--no-follow", flags->no_follow,
      "End after the payloads that are stored now; starts at earliest unless --from says "
      "otherwise");
  tail->add_flag("--direct", flags->direct,
                 "Read from the workers themselves; the coordinator only says where they are");
  AddFilterFlags(*tail, flags->filter);
  tail->add_option("--worker", flags->worker, "Only what this worker received (default/0)")
      ->type_name("WORKER");
  tail->add_option("--subscription", flags->subscription,
                   "Start where this named subscription stands, and commit what was printed")
      ->type_name("NAME");
  tail->add_option("--cursor", flags->cursor_file,
                   "Start where this file says when it exists, and save there what was printed")
      ->type_name("FILE");
  tail->footer(
      "-o pretty (the default) shows JSON indented, text with control characters made visible, "
      "and\n"
      "the rest as a hex dump, each under a line with time, worker, offset and peer; -o raw prints "
      "the\n"
      "payloads' bytes, each with a line feed; -o json one object a line.\n"
      "\n"
      "Examples:\n"
      "  centerctl tail --from earliest --count 10\n"
      "  centerctl tail games --kind json --contains '\"error\"'\n"
      "  centerctl tail -o raw --no-follow > payloads.txt\n"
      "  centerctl tail games --direct --cursor place.json\n"
      "  centerctl tail --subscription billing -o json | ./consumer");
  OnSelected(tail, selection, [flags](Context& context) { return Tail(context, *flags); });
}

}  // namespace center::cli
