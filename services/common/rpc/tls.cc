#include "services/common/rpc/tls.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/grpc_security.h"
#include "grpcpp/security/auth_metadata_processor.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "services/common/log.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::rpc {
namespace {

constexpr unsigned kRefreshSeconds = 1;
constexpr absl::Duration kExpiresSoon = absl::Hours(72);

// Lets a call in, or not, before its handler sees it.
class AccessGuard final : public grpc::AuthMetadataProcessor {
 public:
  explicit AccessGuard(AccessRules rules) : rules_(std::move(rules)) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* /*consumed*/, OutputMetadata* /*response*/) override {
    const auto path = metadata.find(":path");
    if (path == metadata.end()) return {grpc::StatusCode::INTERNAL, "the call names no method"};
    std::vector<std::string> names;
    for (const grpc::string_ref& name : context->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) {
      names.emplace_back(name.data(), name.size());
    }
    const absl::Status access =
        CheckAccess(rules_, {path->second.data(), path->second.size()}, names);
    if (!access.ok()) spdlog::warn("TLS: {}", access.message());
    return ToGrpc(access);
  }

 private:
  const AccessRules rules_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Tls>> Tls::Load(const TlsFiles& files) {
  ASSIGN_OR_RETURN(const TlsSummary summary, CheckTlsFiles(files, absl::Now()));
  // Not make_shared: the constructor is private.
  return std::shared_ptr<const Tls>(new Tls(files, summary));
}

Tls::Tls(TlsFiles files, const TlsSummary& summary)
    : files_(std::move(files)),
      provider_(std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          files_.key, files_.cert, files_.ca, kRefreshSeconds)),
      watcher_([this, summary] { Watch(summary); }) {}

Tls::~Tls() {
  stop_.Notify();
  watcher_.join();
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForServer(const AccessRules& rules) const {
  grpc::experimental::TlsServerCredentialsOptions options(provider_);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  auto credentials = grpc::experimental::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(std::make_shared<AccessGuard>(rules));
  return credentials;
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ForChannel() const {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider_);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  options.set_certificate_verifier(
      std::make_shared<grpc::experimental::HostNameCertificateVerifier>());
  return grpc::experimental::TlsCredentials(options);
}

// gRPC takes over the files by itself; this is for people.
void Tls::Watch(TlsSummary summary) {
  std::string told;
  bool told_of_expiry = false;
  while (!stop_.WaitForNotificationWithTimeout(absl::Seconds(kRefreshSeconds))) {
    const auto now = CheckTlsFiles(files_, absl::Now());
    const std::string trouble = now.ok() ? "" : std::string(now.status().message());
    if (trouble != std::exchange(told, trouble) && !now.ok()) {
      spdlog::error("TLS: {}; new connections may fail until this is mended", trouble);
    }
    if (!now.ok()) continue;
    if (now->fingerprint != summary.fingerprint) {
      spdlog::info("TLS: the files have changed: {}", now->ToString());
      told_of_expiry = false;
    }
    summary = *now;
    if (summary.not_after - absl::Now() < kExpiresSoon && !std::exchange(told_of_expiry, true)) {
      spdlog::warn("TLS: {}: renew it soon", summary.ToString());
    }
  }
}

std::shared_ptr<grpc::Channel> MakeChannelTo(const NetAddress& address, const Tls* tls) {
  if (tls == nullptr || address.is_unix) return MakeChannel(address);
  return MakeChannelWith(address, tls->ForChannel());
}

std::function<std::shared_ptr<grpc::Channel>(const NetAddress&)> ConnectorWith(
    std::shared_ptr<const Tls> tls) {
  return [tls = std::move(tls)](const NetAddress& address) {
    return MakeChannelTo(address, tls.get());
  };
}

}  // namespace center::rpc
