// `drill`: the command.
#include "cli/drill.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/consent.h"
#include "cli/drill_faults.h"
#include "cli/flags.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr uint32_t kDrillWorkersMax = 64;
constexpr uint32_t kProducersMax = 256;

std::string FaultList(DrillBackend backend) {
  std::string text;
  for (const DrillFault& fault : DrillFaults(backend)) {
    absl::StrAppend(&text, "  ", fault.name, std::string(18 - fault.name.size(), ' '), fault.what,
                    "\n");
  }
  return text;
}

std::vector<std::string> RowNames(DrillBackend backend) {
  std::vector<std::string> names;
  for (const DrillFault& fault : DrillFaults(backend)) names.emplace_back(fault.name);
  return names;
}

// What belongs to one backend alone is not for the other.
absl::Status CheckFlags(const CLI::App& app, const DrillOptions& options) {
  const bool local = options.backend == DrillBackend::kLocal;
  const std::vector<std::string> of_local = {"--workers", "--durability", "--keep",
                                             "--lose-segment"};
  const std::vector<std::string> of_cluster = {"--server", "--producers", "--framing", "--direct"};
  for (const std::string& flag : local ? of_cluster : of_local) {
    if (app.count(flag) == 0) continue;
    return UsageError(
        absl::StrCat(flag, " goes with --backend ", local ? "statefulset" : "local", " only"));
  }
  for (const std::string& row : options.rows) {
    if (FindDrillFault(options.backend, row) != nullptr) continue;
    return UsageError(absl::StrCat("--rows: \"", row, "\" is none of ",
                                   absl::StrJoin(RowNames(options.backend), ", ")));
  }
  if (local) return absl::OkStatus();
  if (options.server.empty()) {
    return UsageError(
        "--backend statefulset works on a server that is there, and restarts its workers: say "
        "which, by --server");
  }
  const absl::Status valid = ValidateName("server name", options.server);
  return valid.ok() ? valid : UsageError(valid.message());
}

absl::Status Run(Context& context, const CLI::App& app, const DrillOptions& options) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson}));
  RETURN_IF_ERROR(CheckFlags(app, options));
  if (options.backend == DrillBackend::kStatefulSet) {
    RETURN_IF_ERROR(Confirm(
        context, absl::StrCat("the drill restarts the workers of server ", options.server,
                              " of the coordinator at ", context.address(),
                              ", takes some away for a while, and leaves its payloads in their "
                              "journals")));
  }
  ASSIGN_OR_RETURN(const DrillReport report, RunDrill(context, options));
  context.out().Append(context.globals().format == Format::kJson
                           ? DrillJson(report, options)
                           : DrillText(report, context.out_style()));
  RETURN_IF_ERROR(context.out().Flush());
  return report.ok() ? absl::OkStatus() : QuietExit(kExitFailure);
}

void AddClusterFlags(CLI::App& app, const std::shared_ptr<DrillOptions>& options) {
  app.add_option_function<std::string>(
         "--backend",
         [options](const std::string& word) {
           options->backend = word == "local" ? DrillBackend::kLocal : DrillBackend::kStatefulSet;
         },
         "Whose workers: a fleet of the drill's own on this machine, or pods that are there "
         "(default local)")
      ->type_name("local|statefulset")
      ->check(CLI::IsMember({"local", "statefulset"}).description(""));
  app.add_option("--server", options->server,
                 "statefulset: the server whose pods are restarted; required")
      ->type_name("SERVER");
  app.add_option("--producers", options->producers,
                 "statefulset: where its Service can be reached from here (default: where the "
                 "server says)")
      ->type_name("HOST:PORT");
  app.add_option_function<std::string>(
         "--framing",
         [options](const std::string& word) {
           options->framing = word == "length"  ? Framing::kLength
                              : word == "octet" ? Framing::kOctet
                                                : Framing::kLine;
         },
         "statefulset: the server's framing (default line)")
      ->type_name("line|length|octet")
      ->check(CLI::IsMember({"line", "length", "octet"}).description(""));
  app.add_flag("--direct", options->direct,
               "statefulset: read in turn through the coordinator and from the pods themselves");
}

void AddFlags(CLI::App& app, const std::shared_ptr<DrillOptions>& options) {
  AddClusterFlags(app, options);
  app.add_option("--workers", options->workers, "local: workers of the server (default 3)")
      ->type_name("N")
      ->check(WholeNumber(1, kDrillWorkersMax));
  app.add_option("--connections", options->connections,
                 "Producers, each with one connection after the other (default 8)")
      ->type_name("N")
      ->check(WholeNumber(1, kProducersMax));
  AddDuration(app, "--duration", &options->duration,
              options->chaos ? "How long all of it lasts (default 1m)"
                             : "How long each row lasts (default 3s)");
  app.add_option("--seed", options->seed, "Whom it hits, and what the producers send (default 1)")
      ->type_name("N")
      ->check(WholeNumber());
  app.add_option_function<std::string>(
         "--durability",
         [options](const std::string& word) {
           options->durability = word == "synced" ? v1::DURABILITY_SYNCED : v1::DURABILITY_WRITTEN;
         },
         "local: when the server acknowledges, written or synced (default written)")
      ->type_name("written|synced")
      ->check(CLI::IsMember({"written", "synced"}).description(""));
  app.add_flag(
      "--keep", options->keep,
      "local: leave logs, journals and state (which are left anyway when something is wrong)");
  // The control: shows that a loss is seen.
  app.add_flag("--lose-segment", options->lose_segment)->group("");
}

void AddChaos(CLI::App* drill, Selection& selection) {
  CLI::App* chaos = drill->add_subcommand(
      "chaos", "The same faults at random, also at the same time and without a coordinator");
  auto options = std::make_shared<DrillOptions>();
  options->chaos = true;
  options->duration = absl::Minutes(1);
  AddFlags(*chaos, options);
  chaos->footer(
      "After every 30 s, and in the end, it must be in place again: the workers that are wanted,\n"
      "no process besides, every payload, and an event for every worker that was killed. Of pods,\n"
      "which are restarted at once or in order, alone or all, and fewer for a while: every "
      "minute.\n"
      "\n"
      "Examples:\n"
      "  centerctl drill chaos --duration 10m --seed 7\n"
      "  centerctl drill chaos --backend statefulset --server games");
  OnSelected(chaos, selection,
             [chaos, options](Context& context) { return Run(context, *chaos, *options); });
}

}  // namespace

void AddDrillCommand(CLI::App& root, Selection& selection) {
  CLI::App* drill =
      root.add_subcommand("drill", "Prove that supervision loses nothing: kill, stop, roll, count");
  auto options = std::make_shared<DrillOptions>();
  drill->add_option("--rows", options->rows, "Only these rows, in this order (default: all)")
      ->type_name("ROW,…")
      ->delimiter(',');
  AddFlags(*drill, options);
  drill->footer(absl::StrCat(
      "Starts a coordinator and a server of its own in a temporary folder, and does to them what\n"
      "each row says while producers send numbered payloads and a subscriber follows.\n"
      "\n"
      "REFUSED counts every connect that failed, RESET every connection that broke although its\n"
      "worker was left alone; CUT are those that ended with a worker which the drill itself had\n"
      "killed, whose payloads were not acknowledged and are sent again (RESENT). A payload is\n"
      "ACKNOWLEDGED when its worker has closed the connection in order after the producer's last\n"
      "byte, and LOST when it was acknowledged, or seen by the subscriber, or stored out of turn,\n"
      "but is not in the journals in the end. DUPLICATED are payloads that are there more often\n"
      "than they were sent. Exit code 1 unless all of these and LOST are zero.\n"
      "\n",
      "Rows:\n", FaultList(DrillBackend::kLocal),
      "\n"
      "With --backend statefulset it does the same to a server that is there, through its\n"
      "coordinator, and ignores whatever else is sent to it. It needs two workers or more, which\n"
      "are all READY, and leaves as many. A pod takes its socket along: connects that fail until\n"
      "producers are sent elsewhere are CUT while the drill replaces one at once, else REFUSED.\n"
      "In the end everything is read once more through the coordinator. Rows:\n",
      FaultList(DrillBackend::kStatefulSet),
      "\nExamples:\n"
      "  centerctl drill\n"
      "  centerctl drill --rows rolling-restart,worker-kill --duration 10s -o json\n"
      "  centerctl --context prod drill --backend statefulset --server games"));
  // The callback of a command runs after that of its own subcommand.
  drill->callback([drill, &selection, options] {
    if (!drill->get_subcommands().empty()) return;
    selection.run = [drill, options](Context& context) { return Run(context, *drill, *options); };
  });
  AddChaos(drill, selection);
}

}  // namespace center::cli
