#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/drill.h"
#include "cli/drill_cluster_fleet.h"
#include "cli/drill_faults.h"
#include "cli/drill_local_fleet.h"
#include "cli/drill_producers.h"
#include "cli/drill_reader.h"
#include "cli/signals.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// For the first connections to be through, and for the last payloads to reach the subscriber.
constexpr absl::Duration kFlowTimeout = absl::Seconds(30);
constexpr absl::Duration kDrillPoll = absl::Milliseconds(20);
// Before and after a fault the load has the rest of the row's duration in these shares.
constexpr double kShareBefore = 0.3;
// So that some connections last longer than a pod that is to end at once: 1 s, and not longer than
// one that may drain.
constexpr absl::Duration kBetweenSends = absl::Milliseconds(2);
constexpr absl::Duration kClusterBetweenSends = absl::Milliseconds(8);
// After so much chaos everything is looked at.
constexpr absl::Duration kChaosRow = absl::Seconds(30);
constexpr absl::Duration kClusterChaosRow = absl::Seconds(60);  // pods are slower

// One run: the fleet, its load, its subscriber and the books.
class Drill {
 public:
  // `local`: the fleet, if it is one of the drill's own.
  Drill(Context& context, const DrillOptions& options, DrillFleet& fleet, LocalFleet* local)
      : context_(context),
        options_(options),
        fleet_(fleet),
        ledger_(local != nullptr ? DrillLedger::Sockets::kShared : DrillLedger::Sockets::kOwn),
        stage_{.fleet = fleet,
               .local = local,
               .ledger = ledger_,
               .random = std::mt19937_64(options.seed),
               .workers = fleet.workers(),
               .duration = options.duration},
        subscriber_(fleet.NewContext(), fleet.feed()) {}

  absl::StatusOr<DrillReport> Run();

 private:
  absl::Status AddRow(const DrillFault& fault, DrillReport* report);
  DrillRow RunRow(const DrillFault& fault);
  void ResumeSubscriber();
  absl::Status WaitForFlow();
  absl::Status Settle(DrillFigures* figures);
  // Reads every journal, where nothing is sent any more, and compares with them once more.
  DrillRow AtRest(std::vector<DrillJournal>* journals);
  bool SleepUntil(absl::Time time) const;

  Context& context_;
  const DrillOptions& options_;
  DrillFleet& fleet_;
  DrillLedger ledger_;
  DrillStage stage_;
  DrillSubscriber subscriber_;
  uint32_t resumed_ = 0;
};

bool Drill::SleepUntil(absl::Time time) const {
  while (absl::Now() < time) {
    if (fleet_.interrupted()) return false;
    absl::SleepFor(std::min(kDrillPoll, time - absl::Now()));
  }
  return !fleet_.interrupted();
}

absl::Status Drill::WaitForFlow() {
  const uint64_t enough = ledger_.acknowledged_connections() + options_.connections;
  const absl::Time deadline = absl::Now() + kFlowTimeout;
  while (ledger_.acknowledged_connections() < enough) {
    if (fleet_.interrupted()) return absl::CancelledError("interrupted");
    if (absl::Now() >= deadline) return absl::DeadlineExceededError("nothing is acknowledged");
    absl::SleepFor(kDrillPoll);
  }
  return absl::OkStatus();
}

absl::Status Drill::Settle(DrillFigures* figures) {
  const absl::Time deadline = absl::Now() + kFlowTimeout;
  for (;;) {
    const auto read = ReadStored(fleet_.context(), fleet_.feed());
    if (!read.ok()) {
      if (absl::Now() >= deadline || fleet_.interrupted()) return read.status();
      absl::SleepFor(kDrillPoll);  // a worker has died over it: whoever reads calls again
      continue;
    }
    // They were not read at the same moment: what came in between is in one of them only, and in
    // both within moments. What still differs at the deadline is missing. What was acknowledged has
    // no such time: it is readable before its producer is told.
    bool settled = absl::Now() >= deadline || fleet_.interrupted();
    subscriber_.Look([&](const DrillTally& seen) {
      settled = settled || seen.SameAs(read->tally);
      if (settled) *figures = ledger_.Settle(seen, read->tally);
    });
    if (settled) return subscriber_.status();
    absl::SleepFor(kDrillPoll);
  }
}

// A coordinator that is not killed breaks no line by itself.
void Drill::ResumeSubscriber() {
  const bool relayed = !options_.direct || resumed_++ % 2 == 0;
  subscriber_.Resume(relayed ? Route::kRelayed : Route::kDirect);
}

DrillRow Drill::RunRow(const DrillFault& fault) {
  DrillRow row{.name = std::string(fault.name)};
  ledger_.BeginRow();
  if (stage_.local == nullptr) ResumeSubscriber();
  stage_.service = absl::ZeroDuration();
  const absl::Time start = absl::Now();
  {
    DrillProducers producers(
        {.target = fleet_.target(),
         .producers = options_.connections,
         .between_sends = stage_.local != nullptr ? kBetweenSends : kClusterBetweenSends,
         .seed = stage_.random(),
         .framing = options_.framing,
         .run = fleet_.feed().run,
         .hopeless = [this] { return fleet_.interrupted(); }},
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
  DrillTally stored(fleet_.feed().run);
  row.status = fleet_.ReadAtRest(&stored, journals);
  if (!row.status.ok() && journals->empty()) return row;  // not lost, but not read
  subscriber_.Look([&](const DrillTally& seen) { row.figures = ledger_.Settle(seen, stored); });
  return row;
}

absl::Status Drill::AddRow(const DrillFault& fault, DrillReport* report) {
  context_.Say(absl::StrCat("drill: ", fault.name, " ..."));
  report->rows.push_back(RunRow(fault));
  return fleet_.interrupted() ? QuietExit(kExitInterrupted) : absl::OkStatus();
}

absl::StatusOr<DrillReport> Drill::Run() {
  DrillReport report{.workers = fleet_.workers()};
  if (options_.chaos) {
    const absl::Time end = absl::Now() + options_.duration;
    const absl::Duration row = stage_.local != nullptr ? kChaosRow : kClusterChaosRow;
    do {
      stage_.duration = std::min(row, end - absl::Now());
      const std::string name = absl::StrCat("chaos-", report.rows.size() + 1);
      RETURN_IF_ERROR(AddRow(
          {.name = name, .what = "", .run = stage_.local != nullptr ? RunChaos : RunClusterChaos},
          &report));
    } while (absl::Now() < end && report.rows.back().ok());
  } else {
    for (const DrillFault& fault : DrillFaults(options_.backend)) {
      if (options_.rows.empty()) RETURN_IF_ERROR(AddRow(fault, &report));
    }
    for (const std::string& name : options_.rows) {
      RETURN_IF_ERROR(AddRow(*FindDrillFault(options_.backend, name), &report));
    }
  }
  context_.Say(stage_.local != nullptr ? "drill: everything is stopped and read from disk ..."
                                       : "drill: everything is at rest and read once more ...");
  report.rows.push_back(AtRest(&report.journals));
  if (fleet_.interrupted()) return QuietExit(kExitInterrupted);
  report.notes = ledger_.notes();
  return report;
}

}  // namespace

bool DrillReport::ok() const {
  return std::all_of(rows.begin(), rows.end(), [](const DrillRow& row) { return row.ok(); });
}

absl::StatusOr<DrillReport> RunDrill(Context& context, const DrillOptions& options) {
  std::unique_ptr<LocalFleet> local;
  std::unique_ptr<ClusterFleet> cluster;
  std::atomic<DrillFleet*> current{nullptr};
  std::atomic<bool> interrupted{false};
  // Before the first channel: gRPC's threads must not take the signals. Ctrl-C ends every process
  // of the drill, and with them whatever the drill waits for.
  SignalWatcher watcher([&](int) {
    interrupted = true;
    if (DrillFleet* running = current.load(); running != nullptr) {
      running->Interrupt();
    } else if (options.backend == DrillBackend::kStatefulSet) {
      std::_Exit(kExitInterrupted);  // it has only been looked at
    }
  });
  if (options.backend == DrillBackend::kLocal) {
    ASSIGN_OR_RETURN(local, LocalFleet::Start(context, {.workers = options.workers,
                                                        .durability = options.durability,
                                                        .lose_segment = options.lose_segment}));
    current = local.get();
  } else {
    ASSIGN_OR_RETURN(cluster, ClusterFleet::Find(context, {.server = options.server,
                                                           .producers = options.producers,
                                                           .direct = options.direct}));
    current = cluster.get();
    context.Say(absl::StrCat("drill: payloads of this run contain ", cluster->feed().run));
  }
  if (interrupted.load()) return QuietExit(kExitInterrupted);
  absl::StatusOr<DrillReport> report = Drill(context, options, *current.load(), local.get()).Run();
  if (local != nullptr && report.ok() && (options.keep || !report->ok())) {
    local->Keep();
    report->kept_dir = local->dir();
  }
  return report;
}

}  // namespace center::cli
