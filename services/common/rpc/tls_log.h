// What gRPC says about TLS connections that did not come about, in words.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace center::rpc {

// From now on failures of handshakes, of either side, are told in the log, a few a second at most.
// gRPC's other messages keep their way. Once per process is enough; may be called again.
void LogTlsFailures();

// OpenSSL's "error:0A000418:SSL routines::tlsv1 alert unknown ca" as a sentence.
std::string DescribeTlsFailure(absl::string_view openssl_error);

}  // namespace center::rpc
