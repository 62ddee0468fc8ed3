// `drill`: the command.
#include "cli/drill.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/drill_faults.h"
#include "cli/flags.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr uint32_t kDrillWorkersMax = 64;
constexpr uint32_t kProducersMax = 256;

std::string FaultList() {
  std::string text = "Rows:\n";
  for (const DrillFault& fault : DrillFaults()) {
    absl::StrAppend(&text, "  ", fault.name, std::string(18 - fault.name.size(), ' '), fault.what,
                    "\n");
  }
  return text;
}

absl::Status Run(Context& context, const DrillOptions& options) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson}));
  ASSIGN_OR_RETURN(const DrillReport report, RunDrill(context, options));
  context.out().Append(context.globals().format == Format::kJson
                           ? DrillJson(report, options)
                           : DrillText(report, context.out_style()));
  RETURN_IF_ERROR(context.out().Flush());
  return report.ok() ? absl::OkStatus() : QuietExit(kExitFailure);
}

void AddFlags(CLI::App& app, const std::shared_ptr<DrillOptions>& options) {
  app.add_option("--workers", options->workers, "Workers of the server (default 3)")
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
         "When the server acknowledges, written or synced (default written)")
      ->type_name("written|synced")
      ->check(CLI::IsMember({"written", "synced"}).description(""));
  app.add_flag("--keep", options->keep,
               "Leave logs, journals and state (which are left anyway when something is wrong)");
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
      "After every 30 s, and in the end, it must be in place again: the workers that are wanted, "
      "no\n"
      "process besides, every payload, and an event for every worker that was killed.\n\n"
      "Examples:\n  centerctl drill chaos --duration 10m --seed 7");
  OnSelected(chaos, selection, [options](Context& context) { return Run(context, *options); });
}

}  // namespace

void AddDrillCommand(CLI::App& root, Selection& selection) {
  CLI::App* drill = root.add_subcommand(
      "drill", "Prove on this machine that supervision loses nothing: kill, stop, roll, count");
  auto options = std::make_shared<DrillOptions>();
  std::vector<std::string> names;
  for (const DrillFault& fault : DrillFaults()) names.push_back(std::string(fault.name));
  options->rows = names;
  drill->add_option("--rows", options->rows, "Only these rows, in this order (default: all)")
      ->type_name("ROW,…")
      ->delimiter(',')
      ->check(CLI::IsMember(names).description(""));
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
      FaultList(),
      "\nExamples:\n"
      "  centerctl drill\n"
      "  centerctl drill --rows rolling-restart,worker-kill --duration 10s -o json"));
  // The callback of a command runs after that of its own subcommand.
  drill->callback([drill, &selection, options] {
    if (!drill->get_subcommands().empty()) return;
    selection.run = [options](Context& context) { return Run(context, *options); };
  });
  AddChaos(drill, selection);
}

}  // namespace center::cli
