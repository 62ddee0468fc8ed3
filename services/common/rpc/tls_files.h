// The files that mutual TLS needs: a certificate, its key, and the authorities that are trusted.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace center::rpc {

// Paths of PEM files.
struct TlsFiles {
  std::string cert;  // ours, and what is between it and the authority
  std::string key;   // of the first certificate in `cert`, without a passphrase
  std::string ca;    // who signs the certificates of others that are accepted

  bool given() const { return !cert.empty() || !key.empty() || !ca.empty(); }
  bool operator==(const TlsFiles& other) const = default;
};

// What is in them.
struct TlsSummary {
  std::vector<std::string> names;  // of the certificate: "center://worker", "localhost", "10.0.0.5"
  absl::Time not_after;
  std::string fingerprint;  // of the certificate, SHA-256: another one has another

  std::string ToString() const;
};

// Looks at the files as they are now. InvalidArgument, naming flag and file, for what cannot be
// used: one that is not given, cannot be read or is no PEM; a key of another certificate; a
// certificate that has expired or is not valid yet.
absl::StatusOr<TlsSummary> CheckTlsFiles(const TlsFiles& files, absl::Time now);

}  // namespace center::rpc
