#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/drill.h"
#include "cli/drill_faults.h"
#include "cli/drill_fleet.h"
#include "cli/drill_producers.h"
#include "cli/drill_reader.h"
#include "cli/signals.h"
#include "services/common/payload_batch.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"
#include "services/worker/journal/tools.h"

namespace center::cli {
namespace {

// For the first connections to be through, and for the last payloads to reach the subscriber.
constexpr absl::Duration kFlowTimeout = absl::Seconds(30);
constexpr absl::Duration kDrillPoll = absl::Milliseconds(20);
// Before and after a fault the load has the rest of the row's duration in these shares.
constexpr double kShareBefore = 0.3;
// After so much chaos everything is looked at.
constexpr absl::Duration kChaosRow = absl::Seconds(30);

// The control: the oldest segment of a journal, gone.
absl::Status LoseSegment(const std::string& dir) {
  std::error_code error;
  std::vector<std::filesystem::path> segments;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".seg") segments.push_back(it->path());
  }
  const auto oldest = std::min_element(segments.begin(), segments.end());
  if (oldest != segments.end() && std::filesystem::remove(*oldest, error)) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("no segment could be removed from ", dir));
}

// Checks a journal of which nobody is the writer, and adds what it holds to *stored.
DrillJournal ReadJournal(const std::string& dir, DrillTally* stored) {
  DrillJournal journal{.worker = absl::StrCat(DrillFleet::kServer, "/",
                                              std::filesystem::path(dir).filename().string())};
  const auto verified = journal::Verify(dir);
  journal.status = verified.status();
  if (verified.ok()) {
    journal.payloads = verified->payloads;
    if (!verified->damages.empty() || verified->corrupt_files > 0) {
      journal.status = absl::DataLossError(
          absl::StrCat("the journal of ", journal.worker, " has ", verified->damages.size(),
                       " damaged places, and ", verified->corrupt_files, " were kept aside"));
    }
  }
  absl::Status parsed;
  journal.status.Update(journal::Dump(dir, 0, [&](const journal::DumpRecord& record) {
    const auto batch = BatchView::Parse(record.bytes);
    parsed.Update(batch.status());
    if (!batch.ok()) return false;
    batch->ForEach(
        [&](uint32_t, absl::string_view payload) { stored->Add(journal.worker, payload); });
    return true;
  }));
  journal.status.Update(parsed);
  return journal;
}

// One run: the fleet, its load, its subscriber and the books.
class Drill {
 public:
  Drill(Context& context, const DrillOptions& options, DrillFleet& fleet)
      : context_(context),
        options_(options),
        fleet_(fleet),
        stage_{.fleet = fleet,
               .ledger = ledger_,
               .random = std::mt19937_64(options.seed),
               .workers = options.workers,
               .duration = options.duration},
        subscriber_(fleet.NewContext(), DrillFleet::kServer) {}

  absl::StatusOr<DrillReport> Run();

 private:
  absl::Status AddRow(const DrillFault& fault, DrillReport* report);
  DrillRow RunRow(const DrillFault& fault);
  absl::Status WaitForFlow();
  absl::Status Settle(DrillFigures* figures);
  // Stops everything, checks the journals on disk and compares with them once more.
  DrillRow AtRest(std::vector<DrillJournal>* journals);
  bool SleepUntil(absl::Time time) const;

  Context& context_;
  const DrillOptions& options_;
  DrillFleet& fleet_;
  DrillLedger ledger_;
  DrillStage stage_;
  DrillSubscriber subscriber_;
};

bool Drill::SleepUntil(absl::Time time) const {
  while (absl::Now() < time) {
    if (fleet_.killed()) return false;
    absl::SleepFor(std::min(kDrillPoll, time - absl::Now()));
  }
  return !fleet_.killed();
}

absl::Status Drill::WaitForFlow() {
  const uint64_t enough = ledger_.acknowledged_connections() + options_.connections;
  const absl::Time deadline = absl::Now() + kFlowTimeout;
  while (ledger_.acknowledged_connections() < enough) {
    if (fleet_.killed()) return absl::CancelledError("interrupted");
    if (absl::Now() >= deadline) return absl::DeadlineExceededError("nothing is acknowledged");
    absl::SleepFor(kDrillPoll);
  }
  return absl::OkStatus();
}

absl::Status Drill::Settle(DrillFigures* figures) {
  const absl::Time deadline = absl::Now() + kFlowTimeout;
  for (;;) {
    const auto read = ReadStored(fleet_.context(), DrillFleet::kServer);
    if (!read.ok()) {
      if (absl::Now() >= deadline || fleet_.killed()) return read.status();
      absl::SleepFor(kDrillPoll);  // a worker has died over it: whoever reads calls again
      continue;
    }
    // They were not read at the same moment: what came in between is in one of them only, and in
    // both within moments. What still differs at the deadline is missing. What was acknowledged has
    // no such time: it is readable before its producer is told.
    bool settled = absl::Now() >= deadline || fleet_.killed();
    subscriber_.Look([&](const DrillTally& seen) {
      settled = settled || seen.SameAs(*read);
      if (settled) *figures = ledger_.Settle(seen, *read);
    });
    if (settled) return subscriber_.status();
    absl::SleepFor(kDrillPoll);
  }
}

DrillRow Drill::RunRow(const DrillFault& fault) {
  DrillRow row{.name = std::string(fault.name)};
  ledger_.BeginRow();
  stage_.service = absl::ZeroDuration();
  const absl::Time start = absl::Now();
  {
    DrillProducers producers({.target = fleet_.target(),
                              .producers = options_.connections,
                              .seed = stage_.random(),
                              .hopeless = [this] { return fleet_.killed(); }},
                             &ledger_);
    row.status = WaitForFlow();
    if (row.status.ok()) {
      if (!options_.chaos) SleepUntil(start + options_.duration * kShareBefore);
      row.status = fault.run(stage_);
      row.service = stage_.service;
      if (!options_.chaos) SleepUntil(start + options_.duration);
    }
  }
  row.status.Update(Settle(&row.figures));
  return row;
}

DrillRow Drill::AtRest(std::vector<DrillJournal>* journals) {
  DrillRow row{.name = "at-rest"};
  ledger_.BeginRow();
  row.status = fleet_.Stop();
  DrillTally stored;
  const std::vector<std::string> dirs = fleet_.JournalDirs();
  if (options_.lose_segment && !dirs.empty()) row.status.Update(LoseSegment(dirs[0]));
  for (const std::string& dir : dirs) {
    journals->push_back(ReadJournal(dir, &stored));
    row.status.Update(journals->back().status);
  }
  subscriber_.Look([&](const DrillTally& seen) { row.figures = ledger_.Settle(seen, stored); });
  return row;
}

absl::Status Drill::AddRow(const DrillFault& fault, DrillReport* report) {
  context_.Say(absl::StrCat("drill: ", fault.name, " ..."));
  report->rows.push_back(RunRow(fault));
  return fleet_.killed() ? QuietExit(kExitInterrupted) : absl::OkStatus();
}

absl::StatusOr<DrillReport> Drill::Run() {
  DrillReport report;
  if (options_.chaos) {
    const absl::Time end = absl::Now() + options_.duration;
    do {
      stage_.duration = std::min(kChaosRow, end - absl::Now());
      const std::string name = absl::StrCat("chaos-", report.rows.size() + 1);
      RETURN_IF_ERROR(AddRow({.name = name, .what = "", .run = RunChaos}, &report));
    } while (absl::Now() < end && report.rows.back().ok());
  } else {
    for (const std::string& name : options_.rows) {
      RETURN_IF_ERROR(AddRow(*FindDrillFault(name), &report));
    }
  }
  context_.Say("drill: everything is stopped and read from disk ...");
  report.rows.push_back(AtRest(&report.journals));
  if (fleet_.killed()) return QuietExit(kExitInterrupted);
  report.notes = ledger_.notes();
  return report;
}

}  // namespace

bool DrillReport::ok() const {
  return std::all_of(rows.begin(), rows.end(), [](const DrillRow& row) { return row.ok(); });
}

absl::StatusOr<DrillReport> RunDrill(Context& context, const DrillOptions& options) {
  std::unique_ptr<DrillFleet> fleet;
  std::atomic<DrillFleet*> current{nullptr};
  std::atomic<bool> interrupted{false};
  // Before the first channel: gRPC's threads must not take the signals. Ctrl-C ends every process
  // of the drill, and with them whatever the drill waits for.
  SignalWatcher watcher([&](int) {
    interrupted = true;
    if (DrillFleet* running = current.load(); running != nullptr) running->KillAll();
  });
  ASSIGN_OR_RETURN(fleet, DrillFleet::Start(context, {.workers = options.workers,
                                                      .durability = options.durability}));
  current = fleet.get();
  if (interrupted.load()) return QuietExit(kExitInterrupted);
  absl::StatusOr<DrillReport> report = Drill(context, options, *fleet).Run();
  if (report.ok() && (options.keep || !report->ok())) {
    fleet->Keep();
    report->kept_dir = fleet->dir();
  }
  return report;
}

}  // namespace center::cli
