// `events`: what happened to processes, and why.
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "center/v1/event.grpc.pb.h"
#include "cli/commands.h"
#include "cli/event_views.h"
#include "cli/flags.h"
#include "cli/retry.h"
#include "cli/signals.h"
#include "cli/views.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

struct EventsFlags {
  std::string server;
  std::string since;
  bool follow = false;
};

// A line for each detail, by name; what has lines of its own (a stack) follows its name, indented.
std::string Details(const v1::Event& event, const Style& style) {
  constexpr size_t kLineBytesMax = 2000;
  const std::map<std::string, std::string> sorted(event.details().begin(), event.details().end());
  std::string text;
  for (const auto& [key, value] : sorted) {
    const std::vector<absl::string_view> lines =
        absl::StrSplit(absl::StripSuffix(value, "\n"), '\n');
    absl::StrAppend(&text, style(Color::kDim, absl::StrCat("    ", key, ":")));
    for (const absl::string_view line : lines) {
      absl::StrAppend(&text, lines.size() == 1 ? " " : "\n      ",
                      style(Color::kDim, Printable(line, kLineBytesMax)));
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

absl::Status Print(Context& context, const v1::Event& event) {
  switch (context.globals().format) {
    case Format::kJson: {
      ASSIGN_OR_RETURN(const std::string json, ToJson(event, JsonLayout::kOneLine));
      context.out().Append(json);
      break;
    }
    case Format::kYaml: {
      ASSIGN_OR_RETURN(const std::string yaml, ToYaml(event));
      context.out().Append(absl::StrCat("---\n", yaml));
      break;
    }
    default: {
      const Style& style = context.out_style();
      context.out().Append(EventText(event, context.clock().Wall(), style));
      if (context.globals().format == Format::kWide) {
        context.out().Append(Details(event, style));
      }
    }
  }
  return context.out().Flush();
}

absl::Status Watch(Context& context, const EventsFlags& flags) {
  RETURN_IF_ERROR(
      RequireFormat(context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml}));
  v1::WatchEventsRequest request;
  request.set_server(flags.server);
  request.set_follow(flags.follow);
  if (!flags.since.empty()) {
    const auto since = ParseMoment(flags.since, context.clock().Wall());
    if (!since.ok()) return UsageError(absl::StrCat("--since: ", since.status().message()));
    *request.mutable_since_time() = ToProto(*since);
  }
  Reconnector reconnector(context);
  absl::Mutex mutex;
  grpc::ClientContext* current = nullptr;
  SignalWatcher watcher([&](int) {
    absl::MutexLock lock(&mutex);
    reconnector.Stop();
    if (current != nullptr) current->TryCancel();
  });
  ASSIGN_OR_RETURN(const auto channel, context.Channel());
  const auto stub = v1::EventService::NewStub(channel);
  for (;;) {
    grpc::ClientContext call;
    if (!flags.follow) Context::SetDeadline(call, context.globals().timeout);
    {
      absl::MutexLock lock(&mutex);
      if (reconnector.stopped()) return absl::OkStatus();
      current = &call;
    }
    const auto reader = stub->WatchEvents(&call, request);
    v1::WatchEventsResponse response;
    absl::Status printed;
    while (printed.ok() && reader->Read(&response)) {
      reconnector.OnProgress();
      if (response.history_gone()) {
        context.Warn("centerctl: older events than these were asked for, but are deleted");
      }
      if (!response.has_event()) continue;
      request.clear_since_time();
      request.set_since_id(response.event().id());
      printed = Print(context, response.event());
    }
    if (!printed.ok()) call.TryCancel();
    const absl::Status status = rpc::FromGrpc(reader->Finish());
    {
      absl::MutexLock lock(&mutex);
      current = nullptr;
    }
    RETURN_IF_ERROR(printed);
    if (reconnector.stopped() || (status.ok() && !flags.follow)) return absl::OkStatus();
    if (!status.ok() && !(flags.follow && reconnector.ShouldRetry(status))) {
      return reconnector.stopped() ? absl::OkStatus() : FromRpc(status, context.address());
    }
  }
}

}  // namespace

void AddEventsCommand(CLI::App& root, Selection& selection) {
  CLI::App* events = root.add_subcommand("events", "Show what happened to processes, and why");
  auto flags = std::make_shared<EventsFlags>();
  events
      ->add_option("SERVER,--server", flags->server,
                   "Only events about this server and its workers")
      ->type_name("SERVER");
  events->add_flag("-f,--follow", flags->follow, "Go on with new events until Ctrl-C");
  events
      ->add_option("--since", flags->since,
                   "Only events since then: 10m, 12:00, \"2025-06-01 12:00\", 2025-06-01T12:00:00Z")
      ->type_name("TIME");
  events->footer(
      "Examples:\n"
      "  centerctl events --since 10m\n"
      "  centerctl events games --follow -o json");
  OnSelected(events, selection, [flags](Context& context) { return Watch(context, *flags); });
}

}  // namespace center::cli
