// What a Worker tells its coordinator about itself, and when.
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/worker/api/process_stats.h"
#include "services/worker/api/worker.h"
#include "services/worker/api/worker_messages.h"

namespace center::worker {
namespace {

constexpr std::chrono::seconds kRejectTickInterval{1};

}  // namespace

void Worker::Tick() {
  handover_->Tick();
  EndWhenOrphaned();
  if (state_ == State::kLameDuck && clock_.Steady() >= lame_until_) {
    Drain(/*now=*/false, "those who send producers here have had the time to hear of it");
  }
  if (state_ == State::kDraining) ContinueDrain();
  if (IsArchive()) EndWhenIdle();
  const bool ingest_changed =
      ingest_ != nullptr && (journal_->next_offset() != told_end_offset_ ||
                             ingest_->counters().connections != told_connections_);
  const bool changed = ingest_changed || compute_->stats().inputs_done != told_inputs_done_;
  if (!changed && clock_.Steady() - last_heartbeat_ < heartbeat_interval_) return;
  SendHeartbeat();
}

void Worker::EndWhenIdle() {
  const SteadyTime now = clock_.Steady();
  if (service_->streams() > 0) last_read_ = now;
  if (state_ != State::kReady) return;
  if (now - last_read_ < absl::ToChronoNanoseconds(flags_.archive_idle)) return;
  Drain(/*now=*/false, "nobody reads its journal any more");
}

void Worker::SendHeartbeat() {
  const SteadyTime now = clock_.Steady();
  if (now - last_reject_tick_ >= kRejectTickInterval) {
    if (rejects_ != nullptr) rejects_->Tick();
    last_reject_tick_ = now;
  }
  last_heartbeat_ = now;
  if (registry_ == nullptr) return;
  v1::Heartbeat heartbeat = MakeHeartbeat();
  told_end_offset_ = heartbeat.stats().end_offset();
  told_connections_ = heartbeat.stats().connections();
  told_inputs_done_ = heartbeat.stats().inputs_done();
  registry_->SendHeartbeat(std::move(heartbeat));
}

v1::Heartbeat Worker::MakeHeartbeat() const {
  v1::Heartbeat heartbeat;
  heartbeat.set_state(state_ == State::kStarting ? v1::WORKER_STATE_STARTING
                      : state_ == State::kReady  ? v1::WORKER_STATE_READY
                                                 : v1::WORKER_STATE_DRAINING);
  v1::WorkerStats& stats = *heartbeat.mutable_stats();
  if (ingest_ != nullptr) AddIngestStats(&stats);
  stats.set_subscribers(service_->streams());
  const compute::Engine::Stats compute = compute_->stats();
  stats.set_inputs_done(compute.inputs_done);
  stats.set_chunks(static_cast<uint32_t>(compute.chunks));
  SetDuration(compute.task_time, stats.mutable_task_time());
  const ProcessStats process = ReadProcessStats();
  stats.set_resident_bytes(process.resident_bytes);
  SetDuration(process.cpu_time, stats.mutable_cpu_time());
  return heartbeat;
}

absl::Status Worker::StartHttp() {
  if (!flags_.http.has_value()) return absl::OkStatus();
  auto server =
      http::Server::Start(*flags_.http, WorkerPages({.worker = flags_.name,
                                                     .version = CENTER_VERSION,
                                                     .post = loop_.post,
                                                     .snapshot = [this] { return Snapshot(); }}));
  if (!server.ok()) {
    return absl::Status(server.status().code(),
                        absl::StrCat("--http: ", server.status().message()));
  }
  http_ = *std::move(server);
  spdlog::info("serving HTTP on {}", http_->address().ToString());
  return absl::OkStatus();
}

OpsSnapshot Worker::Snapshot() const {
  OpsSnapshot snapshot;
  v1::Heartbeat heartbeat = MakeHeartbeat();
  snapshot.state = state_ == State::kStarting ? "STARTING"
                   : state_ == State::kReady  ? "READY"
                                              : "DRAINING";
  snapshot.figures.server = flags_.name.substr(0, flags_.name.find('/'));
  snapshot.figures.slot = flags_.ingest.slot;
  snapshot.figures.ready = state_ == State::kReady;
  snapshot.figures.stats = std::move(*heartbeat.mutable_stats());
  snapshot.figures.committed_offset = committed_;
  if (ingest_ != nullptr) snapshot.ingest = ingest_->counters();
  if (rejects_ != nullptr) snapshot.rejects = rejects_->counts();
  if (journal_ != nullptr) snapshot.sync = journal_->sync_stats();
  snapshot.has_coordinator = registry_ != nullptr;
  if (registry_ != nullptr) {
    const SteadyTime since = registry_->alone_since();
    const SteadyTime now = clock_.Steady();
    if (since <= now) snapshot.alone_for = absl::FromChrono(now - since);
  }
  snapshot.streams_max = flags_.max_subscribers;
  return snapshot;
}

void Worker::AddIngestStats(v1::WorkerStats* stats) const {
  const ingest::Counters counters = ingest_->counters();
  stats->set_connections(counters.connections);
  stats->set_connections_accepted(counters.accepted);
  stats->set_connections_rejected(counters.rejected);
  stats->set_payloads(counters.payloads);
  stats->set_bytes(counters.bytes);
  stats->set_first_offset(journal_->first_offset());
  stats->set_end_offset(journal_->next_offset());
  stats->set_synced_offset(journal_->synced_end());
  stats->set_journal_bytes(journal_->disk_bytes());
  stats->set_corrupt_records(journal_->corrupt_records());
  stats->set_blocked_reason(ingest_->blocked_reason());
}

}  // namespace center::worker
