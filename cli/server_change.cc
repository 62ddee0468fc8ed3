// `server restart|scale` and `worker restart`.
#include "cli/server_change.h"

#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/consent.h"
#include "cli/request_id.h"
#include "cli/server_print.h"
#include "cli/views.h"
#include "cli/visible_text.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(200);
constexpr absl::Duration kProgressCallTimeout = absl::Seconds(1);
constexpr size_t kProgressColumns = 79;
// What a process gets on top of its drain timeout before it is killed.
constexpr absl::Duration kDrainGrace = absl::Seconds(2);
constexpr uint32_t kWorkersMax = 256;

std::string Workers(uint32_t count) {
  return absl::StrCat(count, count == 1 ? " worker" : " workers");
}

absl::Status StoppedAlready(const v1::Server& server) {
  return NotRunningError(absl::StrCat("server ", server.name(), " is stopped"));
}

absl::Status Restart(Context& context, const v1::RestartServerRequest& wanted, bool dry_run) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  ASSIGN_OR_RETURN(const v1::Server before, GetServer(context, wanted.name()));
  if (dry_run) {
    if (before.state() == v1::SERVER_STATE_STOPPED) return StoppedAlready(before);
    std::vector<std::string> actions;
    for (const v1::Worker& worker : before.workers()) {
      if (wanted.only_outdated() && worker.generation() >= before.generation()) continue;
      actions.push_back(absl::StrCat("replace worker ", worker.name(), ", process ", worker.pid()));
    }
    return PrintDryRun(context, actions);
  }
  if (wanted.now()) RETURN_IF_ERROR(ConfirmCut(context, wanted.name()));
  v1::RestartServerRequest request = wanted;
  request.set_request_id(NewRequestId());
  const absl::Duration timeout =
      ReplaceTimeout(context, before.spec(), before.spec().workers(), request.now());
  absl::StatusOr<v1::RestartServerResponse> answer;
  WithServerProgress(context, request.name(), [&] {
    answer =
        context.Call<v1::ServerService>(&v1::ServerService::Stub::RestartServer, request, timeout);
  });
  if (!answer.ok()) return answer.status();
  context.Say(answer->restarted() == 0
                  ? absl::StrCat("server ", request.name(), ": no worker needed a restart")
                  : absl::StrCat("server ", request.name(),
                                 " restarted: ", Workers(answer->restarted()), ", one by one"));
  return PrintChanged(context, answer->server());
}

absl::Status PlanScale(Context& context, const v1::Server& before, uint32_t workers) {
  if (before.state() == v1::SERVER_STATE_STOPPED) return StoppedAlready(before);
  std::vector<std::string> actions;
  for (uint32_t slot = before.spec().workers(); slot < workers; ++slot) {
    actions.push_back(absl::StrCat("start worker ", before.name(), "/", slot));
  }
  for (uint32_t slot = workers; slot < before.spec().workers(); ++slot) {
    actions.push_back(absl::StrCat("end worker ", before.name(), "/", slot, "; its journal stays"));
  }
  return PrintDryRun(context, actions);
}

absl::Status Scale(Context& context, v1::ScaleServerRequest request, bool dry_run) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  ASSIGN_OR_RETURN(const v1::Server before, GetServer(context, request.name()));
  if (dry_run) return PlanScale(context, before, request.workers());
  if (request.now() && request.workers() < before.spec().workers()) {
    RETURN_IF_ERROR(ConfirmCut(context, request.name()));
  }
  request.set_request_id(NewRequestId());
  // Slots come and go at the same time.
  const absl::Duration timeout = ReplaceTimeout(context, before.spec(), 1, request.now());
  absl::StatusOr<v1::ScaleServerResponse> answer;
  WithServerProgress(context, request.name(), [&] {
    answer =
        context.Call<v1::ServerService>(&v1::ServerService::Stub::ScaleServer, request, timeout);
  });
  if (!answer.ok()) return answer.status();
  context.Say(
      answer->workers_before() == request.workers()
          ? absl::StrCat("server ", request.name(), " has ", Workers(request.workers()), " already")
          : absl::StrCat("server ", request.name(), " scaled from ", answer->workers_before(),
                         " to ", Workers(request.workers())));
  return PrintChanged(context, answer->server());
}

// "4", or "games 4".
absl::StatusOr<v1::ScaleServerRequest> ParseScale(const std::vector<std::string>& words) {
  v1::ScaleServerRequest request;
  request.set_name(words.size() > 1 ? words.front() : "default");
  if (absl::Status valid = ValidateName("server name", request.name()); !valid.ok()) {
    return UsageError(valid.message());
  }
  uint32_t workers = 0;
  const std::string& number = words.back();
  if (!absl::SimpleAtoi(number, &workers) || workers < 1 || workers > kWorkersMax) {
    return UsageError(
        absl::StrCat("'", number, "' is no number of workers; it must be from 1 to ", kWorkersMax));
  }
  request.set_workers(workers);
  return request;
}

absl::Status PlanWorkerRestart(Context& context, const v1::Server& before,
                               const std::string& name) {
  if (before.state() == v1::SERVER_STATE_STOPPED) return StoppedAlready(before);
  for (const v1::Worker& worker : before.workers()) {
    if (worker.name() != name) continue;
    return PrintDryRun(context,
                       {absl::StrCat("replace worker ", name, ", process ", worker.pid())});
  }
  return WithHint(absl::NotFoundError(absl::StrCat("there is no worker ", name)),
                  "`centerctl worker list` shows what there is.");
}

absl::Status RestartWorker(Context& context, const std::string& name, bool now, bool dry_run) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  const size_t slash = name.find('/');
  if (slash == std::string::npos) {
    return UsageError(absl::StrCat("'", name,
                                   "' is no worker: its name is SERVER/SLOT, for example "
                                   "default/0"));
  }
  const std::string server = name.substr(0, slash);
  ASSIGN_OR_RETURN(const v1::Server before, GetServer(context, server));
  if (dry_run) return PlanWorkerRestart(context, before, name);
  if (now) RETURN_IF_ERROR(ConfirmCut(context, server));
  v1::RestartWorkerRequest request;
  request.set_name(name);
  request.set_now(now);
  request.set_request_id(NewRequestId());
  const absl::Duration timeout = ReplaceTimeout(context, before.spec(), 1, now);
  absl::StatusOr<v1::RestartWorkerResponse> answer;
  WithServerProgress(context, server, [&] {
    answer =
        context.Call<v1::ServerService>(&v1::ServerService::Stub::RestartWorker, request, timeout);
  });
  if (!answer.ok()) return answer.status();
  const v1::Worker& worker = answer->worker();
  context.Say(absl::StrCat("worker ", name, " restarted: process ", worker.pid()));
  const Format format = context.globals().format;
  if (IsData(format)) {
    ASSIGN_OR_RETURN(const std::string text, Render(worker, format));
    context.out().Append(text);
  } else if (format == Format::kName) {
    context.out().Append(absl::StrCat(name, "\n"));
  } else if (format != Format::kDefault) {
    google::protobuf::RepeatedPtrField<v1::Worker> workers;
    *workers.Add() = worker;
    context.out().Append(WorkerTable(workers, format == Format::kWide, context.clock().Wall())
                             .Render(context.out_style()));
  }
  return absl::OkStatus();
}

// What `server status` would say, on one line.
std::string ProgressText(const v1::Server& server) {
  std::string text = absl::StrCat(server.name(), ": ", ReadyCount(server), " ready");
  if (!server.detail().empty()) absl::StrAppend(&text, "; ", VisibleText(server.detail()));
  if (text.size() > kProgressColumns) text.resize(kProgressColumns);
  return text;
}

}  // namespace

std::shared_ptr<std::string> AddServerName(CLI::App* command) {
  auto name = std::make_shared<std::string>("default");
  command->add_option("NAME", *name, "The server (default: \"default\")")->type_name("NAME");
  return name;
}

absl::Duration ReplaceTimeout(const Context& context, const v1::ServerSpec& spec,
                              uint32_t processes, bool now) {
  const absl::Duration drain = now ? absl::ZeroDuration() : ToDuration(spec.drain_timeout());
  return context.globals().timeout +
         processes * (drain + kDrainGrace + ToDuration(spec.start_timeout()));
}

void WithServerProgress(Context& context, const std::string& name,
                        const std::function<void()>& call) {
  // The channel is made on this thread.
  const auto channel = context.Channel();
  if (!context.err_is_terminal() || context.globals().quiet || !channel.ok()) return call();
  absl::Notification done;
  std::thread caller([&] {
    call();
    done.Notify();
  });
  bool drawn = false;
  v1::GetServerRequest request;
  request.set_name(name);
  while (!done.WaitForNotificationWithTimeout(kProgressInterval)) {
    const auto answer = context.Call<v1::ServerService>(&v1::ServerService::Stub::GetServer,
                                                        request, kProgressCallTimeout);
    if (!answer.ok()) continue;  // the call itself will say what is wrong
    context.ErrText(absl::StrCat("\r\x1b[K", ProgressText(answer->server())));
    drawn = true;
  }
  caller.join();
  if (drawn) context.ErrText("\r\x1b[K");
}

void AddServerChangeCommands(CLI::App* noun, Selection& selection) {
  CLI::App* restart = noun->add_subcommand(
      "restart", "Replace the workers of a server, one by one; no connection is refused meanwhile");
  auto restarted = std::make_shared<v1::RestartServerRequest>();
  auto name = AddServerName(restart);
  restart->add_flag_callback(
      "--now", [restarted] { restarted->set_now(true); },
      "Do not wait for open connections of the old workers");
  restart->add_flag_callback(
      "--only-outdated", [restarted] { restarted->set_only_outdated(true); },
      "Only workers that run with older settings than the server's");
  auto restart_dry_run = AddDryRun(restart);
  restart->footer(
      "A new worker that does not become ready ends it: the others keep their processes.\n"
      "\n"
      "Examples:\n"
      "  centerctl server restart\n"
      "  centerctl server restart games --only-outdated");
  OnSelected(restart, selection, [=](Context& context) {
    restarted->set_name(*name);
    return Restart(context, *restarted, *restart_dry_run);
  });

  CLI::App* scale = noun->add_subcommand(
      "scale", "Change the number of workers; those that stay are not touched");
  auto words = std::make_shared<std::vector<std::string>>();
  auto now = std::make_shared<bool>(false);
  scale->add_option("WORKERS", *words, "The server (default: \"default\"), and how many workers")
      ->type_name("[NAME] N")
      ->expected(1, 2)
      ->required();
  scale->add_flag("--now", *now, "Do not wait for open connections of workers that go");
  auto scale_dry_run = AddDryRun(scale);
  scale->footer(
      "What a worker that goes has journalled stays readable, and is taken up again when it comes "
      "back.\n"
      "\n"
      "Examples:\n"
      "  centerctl server scale 4\n"
      "  centerctl server scale games 2 --now");
  OnSelected(scale, selection, [=](Context& context) -> absl::Status {
    ASSIGN_OR_RETURN(v1::ScaleServerRequest request, ParseScale(*words));
    request.set_now(*now);
    return Scale(context, std::move(request), *scale_dry_run);
  });
}

void AddWorkerRestartCommand(CLI::App* noun, Selection& selection) {
  CLI::App* restart = noun->add_subcommand("restart", "Replace the process of one worker");
  auto name = std::make_shared<std::string>();
  auto now = std::make_shared<bool>(false);
  restart->add_option("NAME", *name, "The worker, as in `worker list`: default/0")
      ->type_name("NAME")
      ->required();
  restart->add_flag("--now", *now, "Do not wait for its open connections");
  auto dry_run = AddDryRun(restart);
  restart->footer(
      "A worker that has FAILED is tried again.\n"
      "\n"
      "Examples:\n"
      "  centerctl worker restart default/0\n"
      "  centerctl worker restart games/3 --now");
  OnSelected(restart, selection,
             [=](Context& context) { return RestartWorker(context, *name, *now, *dry_run); });
}

}  // namespace center::cli
