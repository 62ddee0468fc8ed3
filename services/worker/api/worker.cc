#include "services/worker/api/worker.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/worker/api/process_stats.h"
#include "services/worker/api/worker_messages.h"

namespace center::worker {
namespace {

constexpr std::chrono::seconds kHeartbeatInterval{1};
constexpr int kListenBacklog = 4096;
// How long streams may go on when everything else has ended, to send what the subscribers lack.
constexpr auto kStreamsEndTimeout = std::chrono::seconds(1);

absl::Status CheckUnixPath(const NetAddress& address) {
  constexpr size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
  if (!address.is_unix || address.path.size() <= kPathMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the path of ", address.ToString(), " has ", address.path.size(),
                   " bytes; a unix socket's has at most ", kPathMax, ": use a shorter folder"));
}

}  // namespace

Worker::Worker(Flags flags, std::string token, Loop loop, Clock& clock)
    : flags_(std::move(flags)), token_(std::move(token)), loop_(std::move(loop)), clock_(clock) {}

absl::StatusOr<std::unique_ptr<Worker>> Worker::Create(Flags flags, InheritedFds fds,
                                                       std::string token, Loop loop, Clock& clock) {
  std::unique_ptr<Worker> worker(
      new Worker(std::move(flags), std::move(token), std::move(loop), clock));
  worker->MakeRegistry();
  RETURN_IF_ERROR(worker->OpenJournal());
  RETURN_IF_ERROR(worker->StartService());
  RETURN_IF_ERROR(worker->StartIngest(std::move(fds)));
  worker->Register();
  return worker;
}

Worker::~Worker() {
  if (finisher_.joinable()) finisher_.join();
  if (registry_ != nullptr) registry_->Stop();
  ingest_.reset();
  if (server_.server != nullptr) {
    service_->EndStreams();
    server_.server->Shutdown(std::chrono::system_clock::now());
  }
}

absl::Status Worker::OpenJournal() {
  ASSIGN_OR_RETURN(signal_, TailSignal::Create());
  journal::Dependencies dependencies;
  dependencies.fs = &journal::PosixFileSystem();
  dependencies.clock = &clock_;
  dependencies.on_visible = [this](uint64_t) { signal_->Published(); };
  dependencies.on_event = [this](const journal::JournalEvent& event) { OnJournalEvent(event); };
  journal::Options options = flags_.journal;
  // Until the coordinator has told what subscriptions need, nothing may be deleted under them.
  if (flags_.coordinator.has_value()) options.committed_offset = 0;
  ASSIGN_OR_RETURN(journal_, journal::Journal::Open(std::move(options), std::move(dependencies)));
  return absl::OkStatus();
}

absl::Status Worker::StartService() {
  RETURN_IF_ERROR(CheckUnixPath(flags_.listen));
  service_ = std::make_unique<WorkerService>(
      WorkerService::Options{flags_.name, flags_.max_subscribers}, *journal_, *signal_, clock_);
  ASSIGN_OR_RETURN(server_,
                   rpc::StartServer({.addresses = {flags_.listen},
                                     .services = {service_.get()},
                                     .health_of = {v1::WorkerService::service_full_name()}}));
  return absl::OkStatus();
}

absl::Status Worker::StartIngest(InheritedFds fds) {
  if (!fds.listener.valid()) {
    ASSIGN_OR_RETURN(fds.listener, ListenTcp(flags_.host, flags_.port, kListenBacklog));
  }
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  std::string listening = "?";
  if (::getsockname(fds.listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    listening = SockaddrToString(address);
  }
  if (fds.scoreboard.valid()) {
    ASSIGN_OR_RETURN(scoreboard_, Scoreboard::Map(fds.scoreboard.get()));
  }
  ingest::JournalPort port;
  port.next_offset = [this] { return journal_->next_offset(); };
  port.append = [this](absl::Span<const ingest::EncodedBatch> group) {
    records_.clear();
    for (const ingest::EncodedBatch& batch : group) {
      records_.push_back({batch.count, batch.time_ns, batch.head, batch.body});
    }
    return journal_->Append(records_);
  };
  port.blocked_reason = [this] { return journal_->BlockedReason(); };
  port.on_failure = [this](const absl::Status& status) { OnJournalFailed(status); };
  rejects_ = std::make_unique<RejectFeed>(flags_.name, clock_,
                                          [this](v1::Event event) { SendEvent(std::move(event)); });
  ASSIGN_OR_RETURN(ingest_,
                   ingest::IngestServer::Create(loop_.io, flags_.ingest, std::move(fds.listener),
                                                scoreboard_.get(), std::move(port), clock_,
                                                [this](const ingest::RejectedConnection& rejected) {
                                                  rejects_->OnReject(rejected);
                                                }));
  ingest_->Start();
  state_ = State::kReady;
  spdlog::info("ready: producers on {} ({}), gRPC on {}, offsets {} to {}", listening,
               FramingName(flags_.ingest.framing), server_.addresses.front().ToString(),
               journal_->first_offset(), journal_->visible_end());
  return absl::OkStatus();
}

void Worker::MakeRegistry() {
  if (!flags_.coordinator.has_value()) return;
  RegistryClient::Handlers handlers;
  handlers.on_drain = [this](bool now) {
    loop_.post([this, now] { Drain(now, "the coordinator asks for it"); });
  };
  handlers.on_committed = [this](absl::optional<uint64_t> offset) {
    journal_->SetCommittedOffset(offset);
  };
  handlers.on_unknown = [this](const absl::Status& status) {
    loop_.post([this, status] { OnUnknown(status); });
  };
  registry_ = std::make_unique<RegistryClient>(rpc::MakeChannel(*flags_.coordinator),
                                               std::move(handlers), clock_);
}

void Worker::Register() {
  if (registry_ == nullptr) return;
  v1::Hello hello;
  hello.set_worker(flags_.name);
  hello.set_pid(::getpid());
  hello.set_token(token_);
  hello.set_address(server_.addresses.front().ToString());
  hello.set_version(CENTER_VERSION);
  SendHeartbeat();  // the first follows the hello at once
  registry_->Start(std::move(hello));
}

void Worker::Tick() {
  const bool changed = journal_->next_offset() != told_end_offset_ ||
                       ingest_->counters().connections != told_connections_;
  if (!changed && clock_.Steady() - last_heartbeat_ < kHeartbeatInterval) return;
  SendHeartbeat();
}

void Worker::SendHeartbeat() {
  const SteadyTime now = clock_.Steady();
  if (now - last_reject_tick_ >= kHeartbeatInterval) {
    rejects_->Tick();
    last_reject_tick_ = now;
  }
  last_heartbeat_ = now;
  if (registry_ == nullptr) return;
  v1::Heartbeat heartbeat = MakeHeartbeat();
  told_end_offset_ = heartbeat.stats().end_offset();
  told_connections_ = heartbeat.stats().connections();
  registry_->SendHeartbeat(std::move(heartbeat));
}

v1::Heartbeat Worker::MakeHeartbeat() const {
  v1::Heartbeat heartbeat;
  heartbeat.set_state(state_ == State::kStarting ? v1::WORKER_STATE_STARTING
                      : state_ == State::kReady  ? v1::WORKER_STATE_READY
                                                 : v1::WORKER_STATE_DRAINING);
  v1::WorkerStats& stats = *heartbeat.mutable_stats();
  const ingest::Counters counters = ingest_->counters();
  stats.set_connections(counters.connections);
  stats.set_connections_accepted(counters.accepted);
  stats.set_connections_rejected(counters.rejected);
  stats.set_payloads(counters.payloads);
  stats.set_bytes(counters.bytes);
  stats.set_first_offset(journal_->first_offset());
  stats.set_end_offset(journal_->next_offset());
  stats.set_synced_offset(journal_->synced_end());
  stats.set_journal_bytes(journal_->disk_bytes());
  stats.set_corrupt_records(journal_->corrupt_records());
  stats.set_subscribers(service_->streams());
  stats.set_blocked_reason(ingest_->blocked_reason());
  const ProcessStats process = ReadProcessStats();
  stats.set_resident_bytes(process.resident_bytes);
  const int64_t cpu_ns = absl::ToInt64Nanoseconds(process.cpu_time);
  stats.mutable_cpu_time()->set_seconds(cpu_ns / 1'000'000'000);
  stats.mutable_cpu_time()->set_nanos(static_cast<int32_t>(cpu_ns % 1'000'000'000));
  return heartbeat;
}

void Worker::Drain(bool now, absl::string_view why) {
  if (state_ == State::kFinishing) return;
  if (state_ == State::kDraining) {
    if (now) ingest_->StopNow();
    return;
  }
  spdlog::info("draining{}: {}", now ? " at once" : "", why);
  state_ = State::kDraining;
  rpc::SetServing(*server_.server, false);
  SendHeartbeat();
  ingest_->Drain(now ? absl::ZeroDuration() : flags_.drain_timeout, [this] { FinishDrain(); });
}

void Worker::FinishDrain() {
  if (state_ == State::kFinishing) return;
  state_ = State::kFinishing;
  // A flush may take long: beside the loop, so that heartbeats go on.
  finisher_ = std::thread([this, flush = !journal_failed_] {
    const absl::Status flushed = flush ? journal_->Flush() : absl::OkStatus();
    service_->EndStreams();
    server_.server->Shutdown(std::chrono::system_clock::now() + kStreamsEndTimeout);
    loop_.post([this, flushed] {
      if (!flushed.ok()) {
        spdlog::error("the journal could not be flushed: {}", flushed);
        exit_code_ = kExitFailure;
      }
      loop_.stop();
    });
  });
}

void Worker::OnJournalEvent(const journal::JournalEvent& event) {
  spdlog::warn("journal: {}", event.detail);
  SendEvent(JournalEventToProto(event, flags_.name, clock_));
  // Blocked or not is part of the state that the coordinator shows.
  loop_.post([this] {
    if (ingest_ != nullptr) SendHeartbeat();
  });
}

void Worker::OnJournalFailed(const absl::Status& status) {
  spdlog::error("the journal has failed, the worker ends: {}", status);
  journal_failed_ = true;
  exit_code_ = kExitFailure;
  if (state_ == State::kReady) {
    state_ = State::kDraining;
    rpc::SetServing(*server_.server, false);
  }
  FinishDrain();
}

void Worker::OnUnknown(const absl::Status& status) {
  spdlog::error("the coordinator does not know this worker, which drains and ends: {}", status);
  exit_code_ = kExitUnknown;
  Drain(false, "not wanted by the coordinator");
}

void Worker::SendEvent(v1::Event event) {
  if (registry_ != nullptr) registry_->SendEvent(std::move(event));
}

}  // namespace center::worker
