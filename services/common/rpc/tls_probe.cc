#include "services/common/rpc/tls_probe.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "services/common/fd.h"
#include "services/common/rpc/openssl_types.h"
#include "services/common/status_macros.h"

namespace center::rpc {
namespace {

constexpr unsigned char kAlpn[] = {2, 'h', '2'};

// As ConnectTcp, but no longer than `timeout`; that is also how long a read or write may take then.
absl::StatusOr<ScopedFd> ConnectWithin(const NetAddress& address, absl::Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = absl::StrCat(address.port);
  const int error = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat(address.ToString(), ": ", ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  const timeval wait = absl::ToTimeval(timeout);
  absl::Status last;
  for (const addrinfo* one = addresses.get(); one != nullptr; one = one->ai_next) {
    ScopedFd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return ErrnoStatus(errno, "socket");
    // Linux takes it for connect, too.
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
      if (::setsockopt(fd.get(), SOL_SOCKET, option, &wait, sizeof wait) != 0) {
        return ErrnoStatus(errno, "setsockopt");
      }
    }
    if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) return fd;
    last = absl::UnavailableError(
        absl::StrCat("connect to ", address.ToString(), ": ", std::strerror(errno)));
  }
  return last;
}

// One attempt at a TLS connection.
class Probe {
 public:
  Probe(const NetAddress& address, const TlsFiles& files) : address_(address), files_(files) {}

  absl::Status Run(absl::Duration timeout);
  // Whether what answers speaks TLS; of Run's attempt.
  bool saw_certificate() const { return theirs_ != nullptr; }

 private:
  absl::Status Prepare();
  absl::Status AfterConnect(int error);
  absl::Status AfterAlert(unsigned long code) const;
  absl::Status Refused() const;
  absl::Status OfTheirCertificate(long result) const;
  // Of OpenSSL, for each certificate of a chain: keeps the one that it is about.
  static int OnVerify(int ok, X509_STORE_CTX* chain);

  template <typename... Why>
  absl::Status Bad(const Why&... why) const {
    return absl::FailedPreconditionError(absl::StrCat(address_.ToString(), " ", why...));
  }

  const NetAddress& address_;
  const TlsFiles& files_;
  SslContextPtr context_;
  SslPtr ssl_;
  ScopedFd socket_;
  X509Ptr theirs_;
};

absl::Status Probe::Prepare() {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (context_ == nullptr) return absl::InternalError("OpenSSL: no memory");
  if (files_.given()) {
    if (SSL_CTX_load_verify_locations(context_.get(), files_.ca.c_str(), nullptr) != 1 ||
        SSL_CTX_use_certificate_chain_file(context_.get(), files_.cert.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context_.get(), files_.key.c_str(), SSL_FILETYPE_PEM) != 1) {
      return absl::FailedPreconditionError("our own TLS files cannot be used any more");
    }
  }
  SSL_CTX_set_verify(context_.get(), files_.given() ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, OnVerify);
  ssl_.reset(SSL_new(context_.get()));
  if (ssl_ == nullptr) return absl::InternalError("OpenSSL: no memory");
  SSL_set_alpn_protos(ssl_.get(), kAlpn, sizeof kAlpn);
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl_.get());
  in6_addr parsed{};
  const char* host = address_.host.c_str();
  if (::inet_pton(AF_INET, host, &parsed) == 1 || ::inet_pton(AF_INET6, host, &parsed) == 1) {
    X509_VERIFY_PARAM_set1_ip_asc(wanted, host);
  } else {
    X509_VERIFY_PARAM_set1_host(wanted, host, 0);
    SSL_set_tlsext_host_name(ssl_.get(), host);
  }
  SSL_set_fd(ssl_.get(), socket_.get());
  SSL_set_app_data(ssl_.get(), this);
  return absl::OkStatus();
}

int Probe::OnVerify(int ok, X509_STORE_CTX* chain) {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* probe = static_cast<Probe*>(SSL_get_app_data(ssl));
  X509* leaf = X509_STORE_CTX_get0_cert(chain);
  if (probe->theirs_ == nullptr && X509_up_ref(leaf) == 1) probe->theirs_.reset(leaf);
  return ok;
}

absl::Status Probe::OfTheirCertificate(long result) const {
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Bad("shows a certificate that has expired, on ",
                 DateOf(TimeOf(X509_get0_notAfter(theirs_.get()))));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Bad("shows a certificate that is not valid yet");
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Bad("shows a certificate for ", absl::StrJoin(NamesOf(*theirs_), ", "),
                 ", and not for ", address_.host);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return Bad("shows a certificate that was not signed by an authority in --tls-ca ", files_.ca);
    default:
      return Bad("shows a certificate that is not accepted: ",
                 X509_verify_cert_error_string(result));
  }
}

absl::Status Probe::AfterConnect(int error) {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && theirs_ != nullptr) {
    return OfTheirCertificate(SSL_get_verify_result(ssl_.get()));
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG) {
    return Bad("speaks without TLS");
  }
  if (error != SSL_ERROR_SSL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return Bad("does not answer as TLS does: it speaks without TLS, or is something else");
  }
  return AfterAlert(code);
}

absl::Status Probe::AfterAlert(unsigned long code) const {
  switch (ERR_GET_REASON(code)) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return Bad("does not trust our certificate ", files_.cert,
                 ": who signed it is not in its --tls-ca");
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return Bad("says that our certificate ", files_.cert, " has expired");
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return Bad("wants a certificate: --tls-cert, --tls-key and --tls-ca are needed");
    default: {
      const char* text = ERR_reason_error_string(code);
      return Bad("refuses the TLS connection: ", text == nullptr ? "it does not say why" : text);
    }
  }
}

// It has hung up once it had seen our certificate. gRPC does not say why, so we look ourselves.
absl::Status Probe::Refused() const {
  if (const auto ours = CheckTlsFiles(files_, absl::Now()); !ours.ok()) {
    return Bad("does not accept our certificate: ", ours.status().message());
  }
  X509* ours = SSL_get_certificate(ssl_.get());
  const std::unique_ptr<X509_STORE_CTX, OpensslFree<X509_STORE_CTX_free>> chain(
      X509_STORE_CTX_new());
  const bool signed_here = X509_STORE_CTX_init(chain.get(), SSL_CTX_get_cert_store(context_.get()),
                                               ours, nullptr) == 1 &&
                           X509_verify_cert(chain.get()) == 1;
  return Bad("does not accept our certificate ", files_.cert, ": ",
             signed_here ? "its log says why; most likely who signed it is not in its --tls-ca"
                         : "it was not signed by an authority in --tls-ca");
}

absl::Status Probe::Run(absl::Duration timeout) {
  ASSIGN_OR_RETURN(socket_, ConnectWithin(address_, timeout));
  RETURN_IF_ERROR(Prepare());
  ERR_clear_error();
  const int connected = SSL_connect(ssl_.get());
  if (connected != 1) return AfterConnect(SSL_get_error(ssl_.get(), connected));
  // What it thinks of our certificate it says once it has seen it; otherwise it speaks HTTP/2.
  char byte = 0;
  const int got = SSL_read(ssl_.get(), &byte, 1);
  if (got > 0 || !files_.given()) return absl::OkStatus();
  const int error = SSL_get_error(ssl_.get(), got);
  const unsigned long code = ERR_peek_error();
  const bool alert =
      error == SSL_ERROR_SSL && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (alert) return AfterAlert(code);
  const bool late = error == SSL_ERROR_WANT_READ;
  return late ? Bad("is silent once it has seen our certificate") : Refused();
}

}  // namespace

absl::Status ProbeConnection(const NetAddress& address, const TlsFiles& files,
                             absl::Duration timeout) {
  if (address.is_unix) return absl::OkStatus();
  Probe probe(address, files);
  const absl::Status found = probe.Run(timeout);
  if (files.given() || absl::IsUnavailable(found)) return found;
  if (!probe.saw_certificate()) return absl::OkStatus();  // no TLS there either
  return absl::FailedPreconditionError(
      absl::StrCat(address.ToString(),
                   " speaks TLS, and we do not: --tls-cert, --tls-key and --tls-ca are needed"));
}

}  // namespace center::rpc
