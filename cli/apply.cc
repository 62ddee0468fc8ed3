// `apply`: makes the fleet as a file describes it.
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "center/v1/client.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/commands.h"
#include "cli/consent.h"
#include "cli/request_id.h"
#include "cli/server_change.h"
#include "cli/server_print.h"
#include "cli/views.h"
#include "services/common/config/fleet_file.h"
#include "services/common/config/fleet_plan.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr uint32_t kApplyPageSize = 1000;
constexpr int kExitDiffers = 1;  // of a dry run, as diff has it

struct ApplyFlags {
  std::string file;
  bool prune = false;
};

// One server that has to change, and how.
struct ServerTask {
  FleetChange change;
  v1::UpdateServerRequest update;
  v1::ServerSpec start;    // what a new server starts with; one that exists has its settings
  v1::ServerSpec present;  // for how long things may take
};

struct ClientTask {
  FleetChange change;
  v1::StartClientRequest start;
};

struct FleetTasks {
  // Clients that go, go first, and those that come, come when there is somebody to send to.
  std::vector<ClientTask> clients_that_go;
  std::vector<ServerTask> servers;
  std::vector<ClientTask> clients;
};

absl::StatusOr<std::string> ReadStdin(int fd) {
  std::string text;
  char block[16 << 10];
  for (;;) {
    const ssize_t got = ::read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read stdin");
    if (got == 0) return text;
    text.append(block, static_cast<size_t>(got));
    if (text.size() > kTomlBytesMax) return UsageError("stdin: longer than 1 MiB");
  }
}

absl::StatusOr<FleetFile> ReadFile(Context& context, const std::string& path) {
  absl::StatusOr<FleetFile> file;
  if (path == "-") {
    ASSIGN_OR_RETURN(const std::string text, ReadStdin(context.dependencies().in_fd));
    file = ParseFleetFile(text, "stdin");
  } else {
    file = ReadFleetFile(path);
  }
  // Also of a file that is not there: 1 means that something differs.
  if (!file.ok()) return UsageError(file.status().message());
  return file;
}

absl::StatusOr<ServerTask> PlanOne(Context& context, const DesiredServer& desired) {
  ServerTask task{.update = UpdateRequestFor(desired), .start = desired.spec};
  const auto server = GetServer(context, desired.name);
  if (absl::IsNotFound(server.status())) {
    task.change = PlanServer(desired, nullptr, {});
    return task;
  }
  if (!server.ok()) return server.status();
  v1::UpdateServerRequest trial = task.update;
  trial.set_dry_run(true);
  ASSIGN_OR_RETURN(const auto answer,
                   context.Call<v1::ServerService>(&v1::ServerService::Stub::UpdateServer, trial));
  task.change = PlanServer(desired, &*server, answer.changes());
  task.present = server->spec();
  task.start.Clear();
  return task;
}

absl::Status PlanServerPrunes(Context& context, const FleetFile& file, FleetTasks* tasks) {
  v1::ListServersRequest request;
  request.set_page_size(kApplyPageSize);
  do {
    ASSIGN_OR_RETURN(
        auto page, context.Call<v1::ServerService>(&v1::ServerService::Stub::ListServers, request));
    for (const v1::Server& server : page.servers()) {
      if (file.FindServer(server.name()) != nullptr) continue;
      tasks->servers.push_back({.change = PlanPrune(server), .present = server.spec()});
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

void AddClientTask(ClientTask task, FleetTasks* tasks) {
  if (task.change.steps.empty()) return;
  const bool goes = task.change.steps.back() == FleetStep::kStop;
  (goes ? tasks->clients_that_go : tasks->clients).push_back(std::move(task));
}

absl::Status PlanClientPrunes(Context& context, const FleetFile& file, FleetTasks* tasks) {
  v1::ListClientsRequest request;
  request.set_page_size(kApplyPageSize);
  do {
    const auto page =
        context.Call<v1::ClientService>(&v1::ClientService::Stub::ListClients, request);
    if (absl::IsUnimplemented(page.status())) return absl::OkStatus();  // it has none
    RETURN_IF_ERROR(page.status());
    for (const v1::Client& client : page->clients()) {
      if (file.FindClient(client.name()) == nullptr) {
        AddClientTask({.change = PlanPruneClient(client)}, tasks);
      }
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::StatusOr<FleetTasks> PlanAll(Context& context, const FleetFile& file, bool prune) {
  FleetTasks tasks;
  for (const DesiredServer& desired : file.servers) {
    ASSIGN_OR_RETURN(ServerTask task, PlanOne(context, desired));
    tasks.servers.push_back(std::move(task));
  }
  for (const DesiredClient& desired : file.clients) {
    v1::GetClientRequest request;
    request.set_name(desired.name);
    const auto answer =
        context.Call<v1::ClientService>(&v1::ClientService::Stub::GetClient, request);
    if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer.status();
    AddClientTask({.change = PlanClient(desired, answer.ok() ? &answer->client() : nullptr),
                   .start = StartRequestFor(desired)},
                  &tasks);
  }
  if (prune) {
    RETURN_IF_ERROR(PlanServerPrunes(context, file, &tasks));
    RETURN_IF_ERROR(PlanClientPrunes(context, file, &tasks));
  }
  std::erase_if(tasks.servers, [](const ServerTask& task) { return task.change.steps.empty(); });
  return tasks;
}

absl::Status TakeStep(Context& context, const ServerTask& task, FleetStep step) {
  using Stub = v1::ServerService::Stub;
  const absl::Duration drain = ToDuration(task.present.drain_timeout());
  switch (step) {
    case FleetStep::kStop: {
      v1::StopServerRequest request;
      request.set_name(task.change.name);
      request.set_request_id(NewRequestId());
      return context
          .Call<v1::ServerService>(&Stub::StopServer, request, context.globals().timeout + drain)
          .status();
    }
    case FleetStep::kUpdate: {
      v1::UpdateServerRequest request = task.update;
      request.set_request_id(NewRequestId());
      const uint32_t processes = task.present.workers() + 1;
      absl::Status updated;
      WithServerProgress(context, task.change.name, [&] {
        updated = context
                      .Call<v1::ServerService>(
                          &Stub::UpdateServer, request,
                          ReplaceTimeout(context, task.present, processes, /*now=*/false))
                      .status();
      });
      return updated;
    }
    case FleetStep::kStart: {
      v1::StartServerRequest request;
      request.set_name(task.change.name);
      *request.mutable_spec() = task.start;
      request.set_wait_ready(true);
      request.set_request_id(NewRequestId());
      return context.Call<v1::ServerService>(&Stub::StartServer, request).status();
    }
  }
  return absl::OkStatus();
}

absl::Status TakeStep(Context& context, const ClientTask& task, FleetStep step) {
  using Stub = v1::ClientService::Stub;
  if (step == FleetStep::kStop) {
    v1::StopClientRequest request;
    request.set_name(task.change.name);
    request.set_request_id(NewRequestId());
    return context.Call<v1::ClientService>(&Stub::StopClient, request).status();
  }
  v1::StartClientRequest request = task.start;
  request.set_request_id(NewRequestId());
  return context.Call<v1::ClientService>(&Stub::StartClient, request).status();
}

// What goes wrong with one is told, and the others go on.
template <typename Task>
void CarryOut(Context& context, const std::vector<Task>& tasks, absl::Status* first_error) {
  for (const Task& task : tasks) {
    for (const FleetStep step : task.change.steps) {
      const absl::Status taken = TakeStep(context, task, step);
      if (taken.ok()) continue;
      context.Warn(absl::StrCat(context.err_style()(Color::kRed, "centerctl:"), " ",
                                task.change.name, ": ", Explain(taken)));
      first_error->Update(QuietExit(ExitCodeOf(taken)));
      break;
    }
  }
}

template <typename Task>
void AppendLines(const std::vector<Task>& tasks, std::vector<std::string>* lines) {
  for (const Task& task : tasks) {
    lines->insert(lines->end(), task.change.lines.begin(), task.change.lines.end());
  }
}

absl::Status Apply(Context& context, const ApplyFlags& flags, bool dry_run) {
  RETURN_IF_ERROR(RequireFormat(context, {}));
  ASSIGN_OR_RETURN(const FleetFile file, ReadFile(context, flags.file));
  ASSIGN_OR_RETURN(const FleetTasks tasks, PlanAll(context, file, flags.prune));
  std::vector<std::string> lines;
  AppendLines(tasks.clients_that_go, &lines);
  AppendLines(tasks.servers, &lines);
  AppendLines(tasks.clients, &lines);
  if (lines.empty()) {
    context.Say(absl::StrCat("nothing differs from ", file.file));
    return absl::OkStatus();
  }
  for (const std::string& line : lines) {
    const Color color = line[0] == '+'   ? Color::kGreen
                        : line[0] == '-' ? Color::kRed
                                         : Color::kYellow;
    context.out().Append(absl::StrCat(context.out_style()(color, line), "\n"));
  }
  RETURN_IF_ERROR(context.out().Flush());
  if (dry_run) return QuietExit(kExitDiffers);
  std::vector<std::string> cut;
  for (const ServerTask& task : tasks.servers) {
    if (task.change.cuts) cut.push_back(task.change.name);
  }
  if (!cut.empty()) {
    RETURN_IF_ERROR(Confirm(context, absl::StrCat("This stops ", absl::StrJoin(cut, ", "),
                                                  ", and so ends open connections")));
  }
  absl::Status result;
  CarryOut(context, tasks.clients_that_go, &result);
  CarryOut(context, tasks.servers, &result);
  CarryOut(context, tasks.clients, &result);
  if (result.ok()) context.Say(absl::StrCat("applied ", file.file));
  return result;
}

}  // namespace

void AddApplyCommand(CLI::App& root, Selection& selection) {
  CLI::App* apply = root.add_subcommand("apply", "Make the fleet as a file describes it");
  auto flags = std::make_shared<ApplyFlags>();
  apply->add_option("-f,--file", flags->file, "The description, TOML; - is stdin")
      ->type_name("FILE")
      ->required();
  apply->add_flag("--prune", flags->prune,
                  "Also stop servers and clients that the file does not name");
  auto dry_run = AddDryRun(apply);
  apply->footer(
      "Only what differs is done; a setting that the file leaves out has its default. What needs\n"
      "new processes is brought about by a rolling restart, a new port or host and whatever is "
      "new\n"
      "of a client by a stop and a start. With --dry-run the exit code is 0 when nothing differs,\n"
      "1 when something does, and a larger one when that cannot be found out.\n"
      "\n"
      "  [servers.games]            # settings are the flags of `server start`\n"
      "  port = 5001\n"
      "  workers = 4\n"
      "  idle-timeout = \"5m\"\n"
      "  [pools.compute]            # a server that takes no connections, for jobs\n"
      "  workers = 2\n"
      "  state = \"stopped\"\n"
      "  [clients.load]             # the flags of `client start`\n"
      "  server = \"games\"\n"
      "  rate = 100\n"
      "\n"
      "Examples:\n"
      "  centerctl export > fleet.toml\n"
      "  centerctl apply -f fleet.toml --dry-run\n"
      "  centerctl apply -f - --prune < fleet.toml");
  OnSelected(apply, selection, [=](Context& context) { return Apply(context, *flags, *dry_run); });
}

}  // namespace center::cli
