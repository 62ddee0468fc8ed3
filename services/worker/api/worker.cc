#include "services/worker/api/worker.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"
#include "services/common/rpc/tls_log.h"
#include "services/common/status_macros.h"
#include "services/worker/api/journal_owner.h"
#include "services/worker/api/last_words.h"
#include "services/worker/api/worker_messages.h"
#include "services/worker/compute/exec_guard.h"

namespace center::worker {
namespace {

constexpr int kListenBacklog = 4096;
// Another process that has our journal may be about to end: one that read it for an earlier
// coordinator, or our predecessor.
constexpr absl::Duration kJournalPatience = absl::Seconds(3);
// At the end of a drain, for a new coordinator that takes the listening socket.
constexpr std::chrono::seconds kCoordinatorPatience{10};
constexpr absl::Duration kJournalPause = absl::Milliseconds(20);
// How long streams may go on when everything else has ended, to send what the subscribers lack.
constexpr absl::Duration kStreamsEndTimeout = absl::Seconds(1);

absl::Status CheckUnixPath(const NetAddress& address) {
  constexpr size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
  if (!address.is_unix || address.path.size() <= kPathMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the path of ", address.ToString(), " has ", address.path.size(),
                   " bytes; a unix socket's has at most ", kPathMax, ": use a shorter folder"));
}

}  // namespace

Worker::Worker(Flags flags, std::string token, Loop loop, Clock& clock)
    : flags_(std::move(flags)),
      heartbeat_interval_(absl::ToChronoNanoseconds(flags_.heartbeat_interval)),
      token_(std::move(token)),
      loop_(std::move(loop)),
      clock_(clock) {}

absl::StatusOr<std::unique_ptr<Worker>> Worker::Create(Flags flags, InheritedFds fds,
                                                       std::string token, Loop loop, Clock& clock) {
  std::unique_ptr<Worker> worker(
      new Worker(std::move(flags), std::move(token), std::move(loop), clock));
  RETURN_IF_ERROR(worker->LoadTls());
  worker->MakeRegistry();
  // First: a module of the user's is what most likely goes wrong.
  RETURN_IF_ERROR(worker->StartCompute(fds));
  RETURN_IF_ERROR(worker->OpenJournal());
  RETURN_IF_ERROR(worker->StartService());
  ASSIGN_OR_RETURN(worker->handover_,
                   HandoverClient::Create(worker->flags_.name, worker->token_, fds));
  RETURN_IF_ERROR(worker->StartIngest(std::move(fds)));
  RETURN_IF_ERROR(worker->StartHttp());
  worker->Register();
  return worker;
}

Worker::~Worker() {
  if (finisher_.joinable()) finisher_.join();
  http_.reset();
  if (registry_ != nullptr) registry_->Stop();
  ingest_.reset();
  if (server_.server != nullptr) {
    service_->EndStreams();
    server_.server->Shutdown(std::chrono::system_clock::now());
  }
}

absl::Status Worker::LoadTls() {
  if (!flags_.tls.given()) return absl::OkStatus();
  rpc::LogTlsFailures();
  ASSIGN_OR_RETURN(tls_, rpc::Tls::Load(flags_.tls));
  return absl::OkStatus();
}

absl::Status Worker::StartCompute(const InheritedFds& fds) {
  // Whatever has become of the file since.
  compute::ExecGuard::Instance().SetProgram("/proc/self/exe");
  FlightRecorder* recorder = nullptr;
  if (fds.scoreboard.valid()) {
    ASSIGN_OR_RETURN(scoreboard_, Scoreboard::Map(fds.scoreboard.get()));
    recorder = &scoreboard_->recorder(flags_.ingest.slot);
  }
  ASSIGN_OR_RETURN(compute_, ComputeHost::Create(flags_.name, flags_.compute, recorder, clock_));
  return absl::OkStatus();
}

absl::Status Worker::OpenJournal() {
  if (flags_.no_listen) return absl::OkStatus();
  ASSIGN_OR_RETURN(signal_, TailSignal::Create());
  journal::Dependencies dependencies;
  dependencies.fs = &journal::PosixFileSystem();
  dependencies.clock = &clock_;
  dependencies.on_visible = [this, synced = flags_.journal.durability ==
                                            journal::Durability::kSynced](uint64_t) {
    signal_->Published();
    // Else ingest, which has appended it, is asking already.
    if (synced) loop_.post([this] { TellProducers(); });
  };
  dependencies.on_event = [this](const journal::JournalEvent& event) { OnJournalEvent(event); };
  journal::Options options = flags_.journal;
  // Until the coordinator has told what subscriptions need, nothing may be deleted under them.
  if (flags_.coordinator.has_value() || IsArchive()) options.committed_offset = 0;
  RETURN_IF_ERROR(CheckJournalOwner(options.dir, flags_.name));
  const absl::Time give_up = absl::Now() + kJournalPatience;
  for (;;) {
    auto journal = journal::Journal::Open(options, dependencies);
    if (journal.ok()) {
      journal_ = *std::move(journal);
      ClaimJournal(options.dir, flags_.name);
      return absl::OkStatus();
    }
    if (!journal::IsLockedElsewhere(journal.status()) || absl::Now() >= give_up) {
      return journal.status();
    }
    absl::SleepFor(kJournalPause);
  }
}

absl::Status Worker::StartService() {
  RETURN_IF_ERROR(CheckUnixPath(flags_.listen));
  absl::optional<WorkerService::Payloads> payloads;
  if (journal_ != nullptr) payloads.emplace(WorkerService::Payloads{*journal_, *signal_});
  service_ = std::make_unique<WorkerService>(
      WorkerService::Options{flags_.name, flags_.max_subscribers}, payloads, *compute_, clock_);
  ASSIGN_OR_RETURN(server_,
                   rpc::StartServer({.addresses = {flags_.listen},
                                     .services = {service_.get()},
                                     .health_of = {v1::WorkerService::service_full_name()},
                                     .tls = tls_,
                                     .rules = rpc::WorkerRules(flags_.tls_coordinator_names,
                                                               flags_.tls_reader_names)}));
  return absl::OkStatus();
}

absl::Status Worker::StartIngest(InheritedFds fds) {
  if (flags_.no_listen || IsArchive()) {
    state_ = State::kReady;
    last_read_ = clock_.Steady();
    spdlog::info("ready: no producers, gRPC on {}", server_.addresses.front().ToString());
    return absl::OkStatus();
  }
  if (!fds.listener.valid()) {
    ASSIGN_OR_RETURN(fds.listener, ListenTcp(flags_.host, flags_.port, kListenBacklog));
  }
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  std::string listening = "?";
  if (::getsockname(fds.listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    listening = SockaddrToString(address);
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
  // What readers get and what producers are told is stored is the same.
  port.safe_end = [this] { return journal_->visible_end(); };
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
  handlers.on_welcome = [this](const v1::Welcome& welcome) {
    loop_.post([this, welcome] { OnWelcome(welcome); });
  };
  handlers.on_drain = [this](bool now) {
    loop_.post([this, now] { BeginDrain(now, "the coordinator asks for it"); });
  };
  handlers.on_committed = [this](absl::optional<uint64_t> offset) {
    if (journal_ != nullptr && !IsArchive()) journal_->SetCommittedOffset(offset);
    loop_.post([this, offset] { committed_ = offset; });
  };
  handlers.on_unknown = [this](const absl::Status& status) {
    loop_.post([this, status] { OnUnknown(status); });
  };
  registry_ = std::make_unique<RegistryClient>(rpc::MakeChannelTo(*flags_.coordinator, tls_.get()),
                                               std::move(handlers), clock_);
  line_check_ = std::make_unique<LineCheck>(*flags_.coordinator, flags_.tls);
}

void Worker::Register() {
  if (registry_ == nullptr) return;
  v1::Hello hello;
  hello.set_worker(flags_.name);
  hello.set_pid(::getpid());
  hello.set_token(token_);
  hello.set_address(AdvertisedAddress().ToString());
  hello.set_version(CENTER_VERSION);
  SendHeartbeat();  // the first follows the hello at once
  registry_->Start(std::move(hello));
}

void Worker::OnWelcome(const v1::Welcome& welcome) {
  // It need not be the one that has launched us.
  if (welcome.coordinator_pid() > 0) AllowStacksTo(welcome.coordinator_pid());
  coordinator_due_ = false;
  if (welcome.handover_address().empty()) return;
  const auto address = ParseNetAddress(welcome.handover_address());
  if (!address.ok() || !address->is_unix) {
    spdlog::warn("the coordinator wants a handover at '{}', which is no unix socket",
                 Printable(welcome.handover_address(), 256));
    return;
  }
  handover_->Ask(address->path);
}

void Worker::EndWhenOrphaned() {
  if (registry_ == nullptr || state_ != State::kReady) return;
  const SteadyTime since = registry_->alone_since();
  const SteadyTime now = clock_.Steady();
  if (since > now) return;
  line_check_->OnAlone(since, now);
  if (flags_.orphan_timeout <= absl::ZeroDuration() ||
      now - since < absl::ToChronoNanoseconds(flags_.orphan_timeout))
    return;
  Drain(false, absl::StrCat("there has been no coordinator for ",
                            absl::FormatDuration(flags_.orphan_timeout), " (--orphan-timeout)"));
}

void Worker::Drain(bool now, absl::string_view why) {
  handover_->DropListener();
  BeginDrain(now, why);
}

void Worker::BeginDrain(bool now, absl::string_view why) {
  if (state_ == State::kFinishing) return;
  if (now) compute_deadline_ = clock_.Steady();
  if (state_ == State::kDraining) {
    if (now && ingest_ != nullptr) {
      // Asked a third time, it does not even wait for what producers have on their way.
      if (std::exchange(hurries_, true)) {
        ingest_->StopNow();
      } else {
        ingest_->Drain(absl::ZeroDuration(), nullptr);
      }
    }
    return ContinueDrain();
  }
  spdlog::info("draining{}: {}", now ? " at once" : "", why);
  state_ = State::kDraining;
  hurries_ = now;
  rpc::SetServing(*server_.server, false);
  SendHeartbeat();
  if (!now) compute_deadline_ = clock_.Steady() + absl::ToChronoNanoseconds(flags_.drain_timeout);
  compute_->Drain();
  if (ingest_ == nullptr) {
    ingest_drained_ = true;
  } else {
    ingest_->Drain(now ? absl::ZeroDuration() : flags_.drain_timeout, [this] {
      ingest_drained_ = true;
      ContinueDrain();
    });
  }
  ContinueDrain();
}

void Worker::ContinueDrain() {
  if (state_ != State::kDraining) return;
  const SteadyTime now = clock_.Steady();
  bool compute_done = compute_->stats().chunks == 0;
  if (!compute_done && now >= compute_deadline_) {
    if (!std::exchange(compute_told_, true)) compute_->CancelRunning();
    // After the grace, the rest is up to FinishDrain.
    compute_done = now >= compute_deadline_ + absl::ToChronoNanoseconds(flags_.cancel_grace);
  }
  if (compute_done && ingest_drained_ && !AwaitsCoordinator(now)) FinishDrain();
}

// Without a coordinator this may be the only process that has the listening socket, with producers
// in its queue: a new coordinator is to get it from here before it is gone.
bool Worker::AwaitsCoordinator(SteadyTime now) {
  if (hurries_ || registry_ == nullptr || !handover_->CanBringListener()) return false;
  const SteadyTime since = registry_->alone_since();
  if (since > now) return coordinator_due_ || handover_->pending();
  coordinator_due_ = now - since < kCoordinatorPatience;
  return coordinator_due_;
}

void Worker::FinishDrain() {
  if (state_ == State::kFinishing) return;
  state_ = State::kFinishing;
  // A flush may take long: beside the loop, so that heartbeats go on.
  finisher_ = std::thread([this, flush = journal_ != nullptr && !journal_failed_] {
    const absl::Status flushed = flush ? journal_->Flush() : absl::OkStatus();
    service_->EndStreams();
    // Shutdown would also wait for connections, and one without calls is polled by nobody at the
    // other end, which therefore does not see that it should go.
    (void)service_->AwaitNoStreams(kStreamsEndTimeout);  // the rest is cancelled
    server_.server->Shutdown(std::chrono::system_clock::now());
    const bool stuck = !compute_->Stop(compute_told_ ? absl::ZeroDuration() : flags_.cancel_grace);
    http_.reset();  // while the loop still answers what it asks
    loop_.post([this, flushed, stuck] {
      if (!flushed.ok()) {
        spdlog::error("the journal could not be flushed: {}", flushed);
        exit_code_ = kExitFailure;
      }
      if (stuck)
        spdlog::warn("a task goes on although it was told to stop: the process ends anyway");
      task_stuck_ = stuck;
      loop_.stop();
    });
  });
}

void Worker::OnJournalEvent(const journal::JournalEvent& event) {
  spdlog::warn("journal: {}", event.detail);
  SendEvent(JournalEventToProto(event, flags_.name, clock_));
  // Blocked or not is part of the state that the coordinator shows.
  const bool failed = event.type == journal::JournalEvent::Type::kFailed;
  loop_.post([this, failed, detail = event.detail] {
    if (state_ != State::kStarting) SendHeartbeat();
    // Where it was a sync that has failed, no append says so to ingest, perhaps for long.
    if (failed && ingest_ != nullptr) ingest_->OnJournalFailed(absl::DataLossError(detail));
  });
}

void Worker::TellProducers() {
  if (ingest_ != nullptr) ingest_->OnSafe();
}

void Worker::OnJournalFailed(const absl::Status& status) {
  spdlog::error("the journal has failed, the worker ends: {}", status);
  journal_failed_ = true;
  exit_code_ = kExitFailure;
  if (state_ == State::kReady) {
    state_ = State::kDraining;
    handover_->DropListener();
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
