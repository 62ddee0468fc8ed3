#include "services/common/rpc/tls_log.h"

#include <atomic>
#include <chrono>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpc/support/log.h"
#include "services/common/clock.h"
#include "services/common/log.h"

namespace center::rpc {
namespace {

constexpr char kHandshakeFailed[] = "Handshake failed with fatal error";
constexpr int64_t kLinesPerSecondMax = 5;

// Strangers decide how often handshakes fail: the log is not theirs to fill.
bool MayLog() {
  static std::atomic<int64_t> second{0};
  static std::atomic<int64_t> lines{0};
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(RealClock().Steady().time_since_epoch())
          .count();
  if (second.exchange(now) != now) lines = 0;
  return ++lines <= kLinesPerSecondMax;
}

void OnGrpcLog(gpr_log_func_args* args) {
  const absl::string_view message = args->message;
  if (absl::StartsWith(message, kHandshakeFailed)) {
    if (MayLog()) spdlog::warn("TLS: {}", DescribeTlsFailure(message));
    return;
  }
  // As without us: only errors are told.
  if (args->severity == GPR_LOG_SEVERITY_ERROR) spdlog::debug("gRPC: {}", message);
}

}  // namespace

std::string DescribeTlsFailure(absl::string_view openssl_error) {
  static constexpr struct {
    absl::string_view sign;
    absl::string_view meaning;
  } kMeanings[] = {
      {"alert unknown ca",
       "the other side does not trust our certificate: its --tls-ca does not hold who signed it"},
      {"alert certificate expired", "the other side says that our certificate has expired"},
      {"alert certificate required", "the other side wants a certificate from us, and got none"},
      {"alert bad certificate",
       "the other side does not accept our certificate, as when it is not for the name that was "
       "called"},
      {"certificate verify failed",
       "the certificate of the other side is not accepted: it has expired, or was not signed by "
       "an authority in our --tls-ca"},
      {"peer did not return a certificate", "the other side has shown no certificate"},
      {"wrong version number", "the other side speaks without TLS, and here it is needed"},
      {"http request", "the other side speaks HTTP without TLS, and here TLS is needed"},
      {"unexpected eof", "the other side has hung up in the middle"},
  };
  for (const auto& known : kMeanings) {
    if (absl::StrContains(openssl_error, known.sign)) {
      return absl::StrCat("a connection failed: ", known.meaning);
    }
  }
  const size_t reason = openssl_error.rfind(':', openssl_error.size() - 2);
  return absl::StrCat("a connection failed: ", reason == absl::string_view::npos
                                                   ? openssl_error
                                                   : openssl_error.substr(reason + 1));
}

void LogTlsFailures() {
  gpr_set_log_function(OnGrpcLog);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
}

}  // namespace center::rpc
