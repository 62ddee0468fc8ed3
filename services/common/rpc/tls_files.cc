#include "services/common/rpc/tls_files.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/fd.h"
#include "services/common/rpc/openssl_types.h"
#include "services/common/status_macros.h"

namespace center::rpc {
namespace {

constexpr size_t kPemBytesMax = 1 << 20;

struct PemFile {
  absl::string_view flag;
  const std::string& path;

  template <typename... Why>
  absl::Status Bad(const Why&... why) const {
    return absl::InvalidArgumentError(absl::StrCat(flag, " ", path, ": ", why...));
  }
  absl::StatusOr<std::string> Read() const {
    auto text = ReadSmallFile(path, kPemBytesMax);
    if (!text.ok()) return Bad("cannot be read: ", text.status().message());
    return text;
  }
};

std::string FingerprintOf(const X509& certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest, &size) != 1) return "";
  return std::string(digest, digest + size);
}

absl::Status CheckGiven(const TlsFiles& files) {
  const char* missing = files.cert.empty()  ? "--tls-cert"
                        : files.key.empty() ? "--tls-key"
                        : files.ca.empty()  ? "--tls-ca"
                                            : nullptr;
  if (missing == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(missing,
                   " is missing: TLS is mutual, and needs --tls-cert and --tls-key (who "
                   "we are) and --tls-ca (whom we trust) together"));
}

}  // namespace

std::string TlsSummary::ToString() const {
  return absl::StrCat("certificate of ", names.empty() ? "nobody" : absl::StrJoin(names, ", "),
                      ", valid until ", DateOf(not_after));
}

absl::StatusOr<TlsSummary> CheckTlsFiles(const TlsFiles& files, absl::Time now) {
  RETURN_IF_ERROR(CheckGiven(files));
  const PemFile cert_file{"--tls-cert", files.cert};
  const PemFile key_file{"--tls-key", files.key};
  const PemFile ca_file{"--tls-ca", files.ca};
  ASSIGN_OR_RETURN(const std::string cert_text, cert_file.Read());
  ASSIGN_OR_RETURN(const std::string key_text, key_file.Read());
  ASSIGN_OR_RETURN(const std::string ca_text, ca_file.Read());

  const X509Ptr cert = ParseCertificate(cert_text);
  if (cert == nullptr) return cert_file.Bad("holds no certificate in PEM form");
  const KeyPtr key = ParseKey(key_text);
  if (key == nullptr) {
    return key_file.Bad("holds no private key in PEM form (with a passphrase it cannot be used)");
  }
  if (X509_check_private_key(cert.get(), key.get()) != 1) {
    return key_file.Bad("is not the key of the certificate in ", files.cert);
  }
  if (ParseCertificate(ca_text) == nullptr) return ca_file.Bad("holds no certificate in PEM form");

  const absl::Time not_before = TimeOf(X509_get0_notBefore(cert.get()));
  TlsSummary summary{.names = NamesOf(*cert),
                     .not_after = TimeOf(X509_get0_notAfter(cert.get())),
                     .fingerprint = FingerprintOf(*cert)};
  if (now >= summary.not_after) {
    return cert_file.Bad("the certificate has expired, on ", DateOf(summary.not_after));
  }
  if (now < not_before) {
    return cert_file.Bad("the certificate is not valid before ", DateOf(not_before));
  }
  return summary;
}

}  // namespace center::rpc
