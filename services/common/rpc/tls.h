// Mutual TLS for connections that leave the machine: who this process is, and whom it trusts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "services/common/net_address.h"
#include "services/common/rpc/access_rules.h"
#include "services/common/rpc/tls_files.h"

namespace center::rpc {

// The files are looked at every second. Connections that are made after they have changed use what
// is new; those that are open go on. Files that cannot be used are told in the log, as is a
// certificate that will expire soon.
//
// Thread-safe. Outlives nothing: credentials keep what they need.
class Tls {
 public:
  // Errors: what CheckTlsFiles says.
  static absl::StatusOr<std::shared_ptr<const Tls>> Load(const TlsFiles& files);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  const TlsFiles& files() const { return files_; }

  // A caller needs a certificate of our authorities, and is let in by `rules`.
  std::shared_ptr<grpc::ServerCredentials> ForServer(const AccessRules& rules) const;
  // The other side needs a certificate of our authorities for the host that was called.
  std::shared_ptr<grpc::ChannelCredentials> ForChannel() const;

 private:
  Tls(TlsFiles files, const TlsSummary& summary);
  void Watch(TlsSummary summary);

  const TlsFiles files_;
  const std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;
  absl::Notification stop_;
  std::thread watcher_;
};

// A channel over TLS, as MakeChannel (channel.h) makes one without; a unix socket needs none, and
// null means none.
std::shared_ptr<grpc::Channel> MakeChannelTo(const NetAddress& address, const Tls* tls);

// MakeChannelTo for those who are to know nothing of TLS.
std::function<std::shared_ptr<grpc::Channel>(const NetAddress&)> ConnectorWith(
    std::shared_ptr<const Tls> tls);

}  // namespace center::rpc
