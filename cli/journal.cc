// `journal verify|dump|repair DIR`: a look into a worker's journal without its worker.
#include <sys/stat.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/consent.h"
#include "cli/flags.h"
#include "cli/json_text.h"
#include "cli/tail_print.h"
#include "cli/views.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"
#include "services/worker/journal/tools.h"

namespace center::cli {
namespace {

absl::string_view KindText(journal::Damage::Kind kind) {
  switch (kind) {
    case journal::Damage::Kind::kIncompleteTail:
      return "incomplete tail";
    case journal::Damage::Kind::kPayload:
      return "damaged payload";
    case journal::Damage::Kind::kHeader:
      return "no record";
    case journal::Damage::Kind::kMissing:
      return "missing records";
  }
  return "";
}

std::string ReportJson(const std::string& dir, const journal::VerifyReport& report) {
  std::string damages;
  for (const journal::Damage& damage : report.damages) {
    absl::StrAppend(&damages, damages.empty() ? "" : ", ",
                    "{\"kind\": ", JsonString(KindText(damage.kind)),
                    ", \"segment\": ", JsonString(damage.segment), ", \"position\": \"",
                    damage.position, "\", \"bytes\": \"", damage.bytes, "\", \"fromOffset\": \"",
                    damage.from_offset, "\", \"toOffset\": \"", damage.to_offset,
                    "\", \"detail\": ", JsonString(damage.detail), "}");
  }
  return absl::StrCat("{\"dir\": ", JsonString(dir), ", \"ok\": ", report.ok() ? "true" : "false",
                      ", \"segments\": \"", report.segments, "\", \"records\": \"", report.records,
                      "\", \"payloads\": \"", report.payloads, "\", \"bytes\": \"", report.bytes,
                      "\", \"firstOffset\": \"", report.first_offset, "\", \"endOffset\": \"",
                      report.end_offset, "\", \"corruptFiles\": \"", report.corrupt_files,
                      "\", \"damages\": [", damages, "]}\n");
}

// A journal's folder that is meant one level up is a common slip: its slots are named.
absl::Status Explained(absl::Status status, const std::string& dir) {
  struct stat info;
  if (!absl::IsNotFound(status) || ::stat(absl::StrCat(dir, "/0").c_str(), &info) != 0) {
    return status;
  }
  return WithHint(std::move(status),
                  absl::StrCat("This is a server's folder: name a worker's, such as ", dir, "/0."));
}

std::string ReportText(const Style& style, const std::string& dir,
                       const journal::VerifyReport& report) {
  Table table = Sheet();
  table.AddRow({"Journal", dir});
  table.AddRow({"Segments",
                absl::StrCat(FormatCount(report.segments), " (", FormatBytes(report.bytes), ")")});
  table.AddRow({"Records", FormatCount(report.records)});
  table.AddRow({"Payloads", FormatCount(report.payloads)});
  table.AddRow(
      {"Offsets", report.end_offset == report.first_offset
                      ? absl::StrCat("none; the next is #", report.end_offset)
                      : absl::StrCat("#", report.first_offset, " to #", report.end_offset - 1)});
  if (report.corrupt_files > 0) {
    table.AddRow({"Kept aside", absl::StrCat(report.corrupt_files, " files of earlier damage")});
  }
  table.AddRow({"State", report.ok() ? Table::Cell("intact", Color::kGreen)
                                     : Table::Cell(absl::StrCat(report.damages.size(),
                                                                report.damages.size() == 1
                                                                    ? " damaged place"
                                                                    : " damaged places"),
                                                   Color::kRed)});
  std::string text = table.Render(style, false);
  if (report.ok()) return text;
  Table damages({{"SEGMENT", Table::Align::kLeft, 0, 12},
                 {"AT", Table::Align::kRight, 2},
                 {"BYTES", Table::Align::kRight, 3},
                 {"WHAT"},
                 {"LOST PAYLOADS", Table::Align::kLeft, 1},
                 {"DETAIL", Table::Align::kLeft, 0, 20, /*wraps=*/true}});
  for (const journal::Damage& damage : report.damages) {
    damages.AddRow({damage.segment, absl::StrCat(damage.position), absl::StrCat(damage.bytes),
                    std::string(KindText(damage.kind)),
                    damage.to_offset > damage.from_offset
                        ? absl::StrCat("#", damage.from_offset, " to #", damage.to_offset - 1)
                        : std::string("none"),
                    damage.detail});
  }
  return absl::StrCat(text, "\n", damages.Render(style));
}

absl::Status Verify(Context& context, const std::string& dir) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson}));
  const auto report = journal::Verify(dir);
  if (!report.ok()) return Explained(report.status(), dir);
  context.out().Append(context.globals().format == Format::kJson
                           ? ReportJson(dir, *report)
                           : ReportText(context.out_style(), dir, *report));
  RETURN_IF_ERROR(context.out().Flush());
  if (report->ok()) return absl::OkStatus();
  context.Say(absl::StrCat("`centerctl journal repair ", dir,
                           "` takes the damage out, with the worker stopped"));
  return QuietExit(kExitFailure);
}

absl::Status Dump(Context& context, const std::string& dir, uint64_t from, uint64_t count) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kPretty, Format::kRaw, Format::kJson}));
  const Format format =
      context.globals().format == Format::kDefault ? Format::kPretty : context.globals().format;
  PayloadPrinter printer(format, context.out(), context.out_style());
  uint64_t printed = 0;
  bool damaged = false;
  const absl::Status dumped = journal::Dump(
      dir, from,
      [&](const journal::DumpRecord& record) {
        const auto batch = BatchView::Parse(record.bytes);
        if (!batch.ok()) {
          context.Warn(absl::StrCat("centerctl: #", record.base_offset, " in ", record.segment,
                                    ": ", batch.status().message()));
          damaged = true;
          return true;
        }
        const uint64_t limit = count > 0 ? count - printed : ~uint64_t{0};
        printed += printer.Print(*batch, from, limit);
        return context.out().status().ok() && (count == 0 || printed < count);
      },
      [&](const journal::Damage& damage) {
        damaged = true;
        context.Warn(absl::StrCat(context.err_style()(Color::kYellow, "centerctl: damage:"), " ",
                                  damage.segment, " at ", damage.position, ": ",
                                  KindText(damage.kind),
                                  damage.detail.empty() ? "" : absl::StrCat(": ", damage.detail)));
      });
  if (!dumped.ok()) return Explained(dumped, dir);
  RETURN_IF_ERROR(printer.Flush());
  return damaged ? QuietExit(kExitFailure) : absl::OkStatus();
}

uint64_t LostPayloads(const std::vector<journal::Damage>& damages) {
  uint64_t lost = 0;
  for (const journal::Damage& damage : damages) lost += damage.to_offset - damage.from_offset;
  return lost;
}

// What a repair would take out, found by reading everything; asked for consent unless `dry_run`.
absl::Status BeforeRepair(Context& context, const std::string& dir, bool dry_run) {
  const auto report = journal::Verify(dir);
  if (!report.ok()) return Explained(report.status(), dir);
  const std::string what = absl::StrCat(
      "take ", Counted(report->damages.size(), "damaged place", "damaged places"), " out of ", dir,
      ", where ", Counted(LostPayloads(report->damages), "payload is", "payloads are"), " lost");
  if (!dry_run) return report->ok() ? absl::OkStatus() : Confirm(context, "This would " + what);
  return PrintDryRun(context, {report->ok() ? "change nothing: the journal is intact" : what});
}

absl::Status Repair(Context& context, const std::string& dir, bool dry_run) {
  RETURN_IF_ERROR(dry_run ? RequireFormat(context, {Format::kJson, Format::kYaml})
                          : RequireFormat(context, {}));
  if (dry_run) return BeforeRepair(context, dir, dry_run);
  RETURN_IF_ERROR(BeforeRepair(context, dir, dry_run));
  const auto report = journal::Repair(dir);
  if (absl::IsFailedPrecondition(report.status())) {
    return WithHint(report.status(), "Stop its server first: `centerctl server stop NAME`.");
  }
  if (!report.ok()) return Explained(report.status(), dir);
  if (report->before.ok()) {
    context.Say("the journal is intact: nothing was changed");
    return absl::OkStatus();
  }
  const uint64_t lost = LostPayloads(report->before.damages);
  context.Say(absl::StrCat("repaired: ", report->rewritten_segments,
                           report->rewritten_segments == 1 ? " segment" : " segments",
                           " rewritten, ", report->truncated_bytes,
                           " bytes of an incomplete tail cut off, ", FormatCount(lost),
                           " payloads lost (readers see them as gaps)"));
  for (const std::string& file : report->corrupt_files) {
    context.Say(absl::StrCat("kept aside: ", dir, "/", file));
  }
  return absl::OkStatus();
}

std::shared_ptr<std::string> AddDir(CLI::App* command) {
  auto dir = std::make_shared<std::string>();
  command->add_option("DIR", *dir, "A worker's journal: <data-dir>/servers/<server>/<slot>")
      ->type_name("DIR")
      ->required();
  return dir;
}

}  // namespace

void AddJournalCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand("journal", "Look into a worker's journal on disk");
  noun->require_subcommand(0, 1);

  CLI::App* verify = noun->add_subcommand(
      "verify", "Read every byte and check it; exit code 1 when something is damaged");
  auto verify_dir = AddDir(verify);
  verify->footer("Examples:\n  centerctl journal verify ~/.local/state/center/servers/default/0");
  OnSelected(verify, selection, [=](Context& context) { return Verify(context, *verify_dir); });

  CLI::App* dump = noun->add_subcommand("dump", "Print the payloads, as tail does");
  auto dump_dir = AddDir(dump);
  auto from = std::make_shared<uint64_t>(0);
  auto count = std::make_shared<uint64_t>(0);
  dump->add_option("--from", *from, "The first offset (default 0)")
      ->type_name("OFFSET")
      ->check(WholeNumber());
  dump->add_option("--count", *count, "End after so many payloads")
      ->type_name("N")
      ->check(WholeNumber());
  dump->footer("Examples:\n  centerctl journal dump DIR --from 1000 --count 10 -o json");
  OnSelected(dump, selection,
             [=](Context& context) { return Dump(context, *dump_dir, *from, *count); });

  CLI::App* repair = noun->add_subcommand(
      "repair", "Copy damaged bytes aside and take them out; the worker must not run");
  auto repair_dir = AddDir(repair);
  auto dry_run = AddDryRun(repair);
  repair->footer("Examples:\n  centerctl journal repair DIR");
  OnSelected(repair, selection,
             [=](Context& context) { return Repair(context, *repair_dir, *dry_run); });
}

}  // namespace center::cli
