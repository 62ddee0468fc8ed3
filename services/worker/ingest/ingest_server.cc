#include "services/worker/ingest/ingest_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/worker/ingest/server_impl.h"

namespace center::ingest {
namespace {

// A peer that vanished without a word is noticed after 60 s of silence and 6 unanswered probes 10 s
// apart.
constexpr int kKeepaliveIdleSeconds = 60;
constexpr int kKeepaliveIntervalSeconds = 10;
constexpr int kKeepaliveProbes = 6;

absl::Status Validate(const IngestOptions& options, const Scoreboard* scoreboard,
                      const JournalPort& journal) {
  const auto bad = [](auto... parts) { return absl::InvalidArgumentError(absl::StrCat(parts...)); };
  if (options.max_payload_bytes < 1 || options.max_payload_bytes > kPayloadBytesLimit) {
    return bad("max-payload-bytes is ", options.max_payload_bytes, ", not from 1 to ",
               kPayloadBytesLimit);
  }
  if (options.banner.size() > kBannerBytesMax) {
    return bad("the banner has ", options.banner.size(), " bytes, more than ", kBannerBytesMax);
  }
  if (options.max_connections < 1) return bad("max-connections is 0; it must be at least 1");
  if (options.frame_timeout < absl::ZeroDuration() || options.idle_timeout < absl::ZeroDuration()) {
    return bad("frame-timeout and idle-timeout must not be negative");
  }
  if (scoreboard != nullptr && options.slot >= Scoreboard::kSlotsMax) {
    return bad("slot ", options.slot, " is beyond the last, ", Scoreboard::kSlotsMax - 1);
  }
  if (!journal.next_offset || !journal.append) return bad("the journal port is incomplete");
  return absl::OkStatus();
}

template <typename Value>
absl::Status SetOption(int fd, int level, int name, const Value& value, absl::string_view text) {
  if (::setsockopt(fd, level, name, &value, sizeof value) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("setsockopt ", text));
}

// Accepted sockets inherit these settings, which saves five system calls for each. The linger time
// of 0 is for the kernel, when it closes them for a worker that has died: with a reset, also where
// all that a producer had sent was read, but not yet stored. Such an end must not look like an
// orderly one (ConnectionEnd). The listener's own end is not changed by it.
absl::Status PrepareListener(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "making the listener non-blocking");
  }
  int listening = 0;
  socklen_t length = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0) {
    return absl::InvalidArgumentError(absl::StrCat("descriptor ", fd, " is no listening socket"));
  }
  sockaddr_storage address{};
  length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return ErrnoStatus(errno, "getsockname of the listener");
  }
  if (address.ss_family == AF_UNIX) return absl::OkStatus();  // its peers cannot vanish
  RETURN_IF_ERROR(
      SetOption(fd, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0}, "SO_LINGER"));
  RETURN_IF_ERROR(SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"));
  RETURN_IF_ERROR(SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds, "TCP_KEEPIDLE"));
  RETURN_IF_ERROR(
      SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds, "TCP_KEEPINTVL"));
  return SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes, "TCP_KEEPCNT");
}

}  // namespace

absl::StatusOr<std::unique_ptr<IngestServer>> IngestServer::Create(
    asio::io_context& io, IngestOptions options, ScopedFd listener, Scoreboard* scoreboard,
    JournalPort journal, Clock& clock, RejectHandler on_reject) {
  RETURN_IF_ERROR(Validate(options, scoreboard, journal));
  RETURN_IF_ERROR(PrepareListener(listener.get()));
  auto impl = std::make_shared<Impl>(io, std::move(options), scoreboard, std::move(journal), clock,
                                     std::move(on_reject));
  RETURN_IF_ERROR(impl->Open(std::move(listener)));
  return std::unique_ptr<IngestServer>(new IngestServer(std::move(impl)));
}

IngestServer::IngestServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
IngestServer::~IngestServer() { impl_->Stop(); }
void IngestServer::Start() { impl_->Start(); }
void IngestServer::Drain(absl::Duration timeout, std::function<void()> done) {
  impl_->Drain(timeout, std::move(done));
}
void IngestServer::StopNow() { impl_->Stop(); }
void IngestServer::OnSafe() { impl_->EndWhatIsSafe(); }
void IngestServer::OnJournalFailed(const absl::Status& status) { impl_->Fail(status); }
Counters IngestServer::counters() const { return impl_->counters(); }
std::string IngestServer::blocked_reason() const { return impl_->blocked_reason(); }

IngestServer::Impl::Impl(asio::io_context& io, IngestOptions options, Scoreboard* scoreboard,
                         JournalPort journal, Clock& clock, RejectHandler on_reject)
    : io_(io),
      options_(std::move(options)),
      scoreboard_(scoreboard),
      journal_(std::move(journal)),
      clock_(clock),
      on_reject_(std::move(on_reject)),
      sizes_(std::make_unique_for_overwrite<uint32_t[]>(kBatchPayloadsMax)),
      budget_(options_.max_buffer_bytes),
      group_(options_.worker_name, kCarryCopyBytesMax + kReadBytes, &journal_),
      tick_timer_(io) {
  acceptor_ = std::make_shared<Acceptor>(
      io,
      Acceptor::Dependencies{.scoreboard = scoreboard_,
                             .slot = options_.slot,
                             .clock = &clock_,
                             .connections = [this] { return static_cast<uint32_t>(table_.size()); },
                             .on_accept =
                                 [this](ScopedFd socket, const sockaddr_storage& address) {
                                   OnAccept(std::move(socket), address);
                                 },
                             .on_stuck =
                                 [this](bool stuck) {
                                   acceptor_stuck_ = stuck;
                                   PublishState();
                                 }});
}

absl::Status IngestServer::Impl::Open(ScopedFd listener) {
  return acceptor_->Open(std::move(listener));
}

Counters IngestServer::Impl::counters() const {
  const auto read = [](const std::atomic<uint64_t>& n) {
    return n.load(std::memory_order_relaxed);
  };
  return {.connections = read(connections_),
          .accepted = read(accepted_),
          .rejected = read(rejected_),
          .payloads = read(payloads_),
          .bytes = read(bytes_),
          .truncated = read(truncated_),
          .buffer_bytes = budget_.used_bytes()};
}

std::string IngestServer::Impl::blocked_reason() const {
  absl::MutexLock lock(&mutex_);
  return blocked_reason_;
}

}  // namespace center::ingest
