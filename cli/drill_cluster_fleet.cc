#include "cli/drill_cluster_fleet.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/request_id.h"
#include "cli/server_print.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(100);
// Pods come and go at the pace of their cluster: volumes, images, graces.
constexpr absl::Duration kChangeBase = absl::Seconds(120);
constexpr absl::Duration kChangePerPod = absl::Seconds(60);
// For the first heartbeats: they say from where on the drill reads.
constexpr absl::Duration kFirstHeartbeats = absl::Seconds(20);
constexpr absl::Duration kReadyAgain = absl::Seconds(60);
constexpr size_t kRunDigits = 16;

absl::Status CheckFits(const v1::Server& server) {
  if (server.state() == v1::SERVER_STATE_STOPPED) {
    return WithHint(NotRunningError(absl::StrCat("server ", server.name(), " is stopped")),
                    absl::StrCat("`centerctl server start ", server.name(), "` starts it again."));
  }
  if (server.spec().no_listen()) {
    return absl::FailedPreconditionError(
        absl::StrCat("server ", server.name(), " takes no payloads: it is a pool for jobs"));
  }
  // A process id has a worker that is a process of its coordinator's machine.
  if (std::any_of(server.workers().begin(), server.workers().end(),
                  [](const v1::Worker& worker) { return worker.pid() > 0; })) {
    return WithHint(
        absl::FailedPreconditionError(absl::StrCat(
            "the workers of server ", server.name(),
            " are no pods, but processes: its coordinator has not the backend statefulset")),
        "`centerctl drill` without --backend starts a fleet of its own for it.");
  }
  if (server.workers_size() < 2) {
    return WithHint(
        absl::FailedPreconditionError(absl::StrCat(
            "server ", server.name(),
            " has only one worker: while that is replaced, there is none that accepts")),
        absl::StrCat("`centerctl server scale ", server.name(), " 2` gives it another."));
  }
  if (std::all_of(server.workers().begin(), server.workers().end(), [](const v1::Worker& worker) {
        return worker.state() == v1::WORKER_STATE_READY;
      })) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("server ", server.name(), " is not in order, and the drill leaves it alone: ",
                   ReadyCount(server), " workers are ready; ", server.detail()));
}

bool AllHeard(const v1::Server& server) {
  return std::all_of(server.workers().begin(), server.workers().end(),
                     [](const v1::Worker& worker) { return worker.stats().resident_bytes() > 0; });
}

// Of what is stored now, nothing is the drill's.
v1::Cursor EndOf(const v1::Server& server) {
  v1::Cursor cursor;
  for (const v1::Worker& worker : server.workers()) {
    (*cursor.mutable_next_offsets())[worker.name()] = worker.stats().end_offset();
  }
  return cursor;
}

}  // namespace

ClusterFleet::ClusterFleet(const Context& outer, const ClusterFleetOptions& options,
                           uint32_t workers)
    : DrillFleet(options.server, workers, kPollInterval, kChangeBase + workers * kChangePerPod),
      globals_(outer.globals()),
      dependencies_(outer.dependencies()),
      direct_(options.direct),
      context_(NewContext()) {}

absl::StatusOr<std::unique_ptr<ClusterFleet>> ClusterFleet::Find(
    const Context& outer, const ClusterFleetOptions& options) {
  Context asking(outer.globals(), outer.dependencies());
  ASSIGN_OR_RETURN(v1::Server found, GetServer(asking, options.server));
  RETURN_IF_ERROR(CheckFits(found));
  std::unique_ptr<ClusterFleet> fleet(
      new ClusterFleet(outer, options, static_cast<uint32_t>(found.workers_size())));
  RETURN_IF_ERROR(fleet->WaitReady(fleet->workers_, kFirstHeartbeats, AllHeard));
  ASSIGN_OR_RETURN(found, fleet->Server());
  fleet->feed_.begins = EndOf(found);
  fleet->feed_.run = NewRequestId().substr(0, kRunDigits);
  ASSIGN_OR_RETURN(fleet->target_,
                   ResolveTarget(*fleet->context_,
                                 options.producers.empty() ? options.server : options.producers));
  if (absl::Status reached = ConnectToTarget(fleet->target_).status(); !reached.ok()) {
    return WithHint(std::move(reached),
                    "--producers HOST:PORT says where the server's Service can be reached from "
                    "here.");
  }
  return fleet;
}

ClusterFleet::~ClusterFleet() {
  if (scaled_to() == 0 || scaled_to() == workers_) return;
  // It goes on when nobody waits for it any more.
  v1::ScaleServerRequest request;
  request.set_name(server());
  request.set_workers(workers_);
  const absl::Status scaled =
      context_->Call<v1::ServerService>(&v1::ServerService::Stub::ScaleServer, request).status();
  if (scaled.ok() || absl::IsDeadlineExceeded(scaled)) return;
  context_->Warn(
      absl::StrCat("centerctl: server ", server(), " had ", workers_,
                   " workers before the drill, and could not be scaled back: ", scaled.message()));
}

std::unique_ptr<Context> ClusterFleet::NewContext() const {
  return std::make_unique<Context>(globals_, dependencies_);
}

absl::Status ClusterFleet::ReadAtRest(DrillTally* stored, std::vector<DrillJournal>* journals) {
  // What a pod has stored can be read while the pod is there.
  if (scaled_to() != 0 && scaled_to() != workers_) RETURN_IF_ERROR(Scale(*context_, workers_));
  RETURN_IF_ERROR(WaitReady(workers_, kReadyAgain));
  ASSIGN_OR_RETURN(DrillStored relayed, ReadStored(*context_, feed()));
  const std::map<std::string, uint64_t> payloads = relayed.tally.PayloadsByWorker();
  absl::Status status;
  for (uint32_t slot = 0; slot < workers_; ++slot) {
    DrillJournal journal{.worker = absl::StrCat(server(), "/", slot)};
    const auto count = payloads.find(journal.worker);
    if (count != payloads.end()) journal.payloads = count->second;
    const auto gap = relayed.gaps.find(journal.worker);
    if (gap != relayed.gaps.end()) {
      journal.status = absl::DataLossError(absl::StrCat(journal.worker, ": ", gap->second));
    }
    status.Update(journal.status);
    journals->push_back(std::move(journal));
  }
  if (direct_) {
    ASSIGN_OR_RETURN(const DrillStored direct, ReadStored(*context_, feed(), Route::kDirect));
    if (!direct.tally.SameAs(relayed.tally)) {
      status.Update(
          absl::DataLossError(absl::StrCat("the workers themselves show ", direct.tally.payloads(),
                                           " payloads of the drill, and the coordinator ",
                                           relayed.tally.payloads(), ", or others")));
    }
  }
  *stored = std::move(relayed.tally);
  return status;
}

}  // namespace center::cli
