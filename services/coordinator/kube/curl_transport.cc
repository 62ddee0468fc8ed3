#include "services/coordinator/kube/curl_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/status_macros.h"

namespace center::kube {
namespace {

constexpr long kConnectTimeoutMs = 10'000;
// Keepalive: a connection without traffic is probed after, and then every, so many seconds.
constexpr long kKeepaliveIdleS = 20;
constexpr long kKeepaliveIntervalS = 10;
constexpr size_t kIdleHandlesMax = 4;
// Of an answer that is an error, what is read.
constexpr size_t kErrorBytesMax = 64 << 10;
constexpr absl::Duration kRetryAfterMax = absl::Minutes(5);

// curl is set up once per process, before the first handle.
bool InitCurl() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

curl_blob Blob(const std::string& text) {
  // CURL_BLOB_COPY: curl does not write to it.
  return {.data = const_cast<char*>(text.data()), .len = text.size(), .flags = CURL_BLOB_COPY};
}

}  // namespace

// One request and what comes back.
struct CurlTransport::Exchange {
  const std::atomic<bool>& interrupted;
  const OnData& on_data;  // empty: all of it goes to answer.body
  CURL* handle = nullptr;
  curl_slist* headers = nullptr;
  curl_slist* connect_to = nullptr;
  HttpAnswer answer;
  bool too_long = false;
  bool enough = false;
  char error[CURL_ERROR_SIZE] = {};

  Exchange(const std::atomic<bool>& flag, const OnData& data) : interrupted(flag), on_data(data) {}
  ~Exchange() {
    curl_slist_free_all(headers);
    curl_slist_free_all(connect_to);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void AddHeader(const std::string& line) {
    if (curl_slist* longer = curl_slist_append(headers, line.c_str()); longer != nullptr) {
      headers = longer;
    }
  }

  static size_t OnBody(char* data, size_t size, size_t count, void* self) {
    return static_cast<Exchange*>(self)->TakeBody({data, size * count}) ? size * count : 0;
  }
  bool TakeBody(absl::string_view piece) {
    long code = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
    if (code == 200 && on_data) {
      enough = !on_data(piece);
      return !enough;
    }
    const size_t limit = code >= 400 ? kErrorBytesMax : kAnswerBytesMax;
    if (answer.body.size() + piece.size() > limit) {
      too_long = code < 400;
      return code >= 400;  // what is left of an error's words is not missed
    }
    answer.body.append(piece.data(), piece.size());
    return true;
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* self) {
    absl::string_view line(data, size * count);
    auto* exchange = static_cast<Exchange*>(self);
    if (line == "\r\n" && exchange->on_data && !exchange->TakeBody("")) return 0;
    constexpr absl::string_view kRetryAfter = "retry-after:";
    int64_t seconds = 0;
    if (absl::StartsWithIgnoreCase(line, kRetryAfter) &&
        absl::SimpleAtoi(line.substr(kRetryAfter.size()), &seconds) && seconds > 0) {
      exchange->answer.retry_after = std::min(absl::Seconds(seconds), kRetryAfterMax);
    }
    return size * count;
  }

  // Asked about once a second, also while nothing comes.
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Exchange*>(self)->interrupted.load() ? 1 : 0;
  }
};

void CurlTransport::HandleCloser::operator()(void* handle) const { curl_easy_cleanup(handle); }

CurlTransport::CurlTransport(ClusterConfig config, ReadFileFn read_file)
    : config_(std::move(config)), read_file_(std::move(read_file)) {}

CurlTransport::~CurlTransport() = default;

absl::StatusOr<HttpAnswer> CurlTransport::Call(const HttpRequest& request) {
  return Perform(request, nullptr);
}

absl::StatusOr<HttpAnswer> CurlTransport::Stream(const HttpRequest& request,
                                                 const OnData& on_data) {
  return Perform(request, on_data);
}

absl::StatusOr<std::string> CurlTransport::Token() const {
  if (config_.token_file.empty()) return config_.token;
  auto token = read_file_(config_.token_file);
  if (!token.ok()) {
    return absl::UnauthenticatedError(
        absl::StrCat("the token cannot be read: ", token.status().message()));
  }
  return std::string(absl::StripAsciiWhitespace(*token));
}

CurlTransport::Handle CurlTransport::TakeHandle() {
  absl::MutexLock lock(&mutex_);
  if (idle_.empty()) return Handle(curl_easy_init());
  Handle handle = std::move(idle_.back());
  idle_.pop_back();
  return handle;
}

void CurlTransport::GiveBack(Handle handle) {
  curl_easy_reset(handle.get());  // the connection stays
  absl::MutexLock lock(&mutex_);
  if (idle_.size() < kIdleHandlesMax) idle_.push_back(std::move(handle));
}

void CurlTransport::SetAddress(void* handle, const std::string& target, Exchange* exchange) const {
  std::string server = config_.server;
  if (!config_.tls_name.empty()) {
    // The certificate's name in the address, and the real address beside it.
    const size_t host_at = server.find("://") + 3;
    const std::string real = server.substr(host_at);
    const bool has_port = real.rfind(':') != std::string::npos && real.back() != ']';
    const std::string port = has_port ? real.substr(real.rfind(':')) : ":443";
    exchange->connect_to =
        curl_slist_append(nullptr, absl::StrCat("::", real, has_port ? "" : port).c_str());
    curl_easy_setopt(handle, CURLOPT_CONNECT_TO, exchange->connect_to);
    server = absl::StrCat(server.substr(0, host_at), config_.tls_name, port);
  }
  curl_easy_setopt(handle, CURLOPT_URL, absl::StrCat(server, target).c_str());
}

void CurlTransport::Prepare(void* handle, const HttpRequest& request, Exchange* exchange) const {
  const auto set = [handle](CURLoption option, auto value) {
    curl_easy_setopt(handle, option, value);
  };
  SetAddress(handle, request.target, exchange);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(request.timeout)));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TCP_KEEPIDLE, kKeepaliveIdleS);
  set(CURLOPT_TCP_KEEPINTVL, kKeepaliveIntervalS);
  set(CURLOPT_ERRORBUFFER, exchange->error);
  set(CURLOPT_WRITEFUNCTION, &Exchange::OnBody);
  set(CURLOPT_WRITEDATA, exchange);
  set(CURLOPT_HEADERFUNCTION, &Exchange::OnHeader);
  set(CURLOPT_HEADERDATA, exchange);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &Exchange::OnProgress);
  set(CURLOPT_XFERINFODATA, exchange);
  set(CURLOPT_HTTPHEADER, exchange->headers);
  if (request.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_COPYPOSTFIELDS, request.body.c_str());
  }
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (config_.skip_verify) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!config_.ca_pem.empty()) {
    curl_blob ca = Blob(config_.ca_pem);
    set(CURLOPT_CAINFO_BLOB, &ca);
  }
  if (!config_.cert_pem.empty()) {
    curl_blob cert = Blob(config_.cert_pem);
    curl_blob key = Blob(config_.key_pem);
    set(CURLOPT_SSLCERT_BLOB, &cert);
    set(CURLOPT_SSLKEY_BLOB, &key);
  }
}

absl::StatusOr<HttpAnswer> CurlTransport::Perform(const HttpRequest& request,
                                                  const OnData& on_data) {
  if (interrupted_.load()) return absl::CancelledError("interrupted");
  if (!InitCurl()) return absl::InternalError("curl cannot be set up");
  ASSIGN_OR_RETURN(const std::string token, Token());
  Handle handle = TakeHandle();
  if (handle == nullptr) return absl::ResourceExhaustedError("no memory for curl");
  Exchange exchange(interrupted_, on_data);
  exchange.handle = handle.get();
  exchange.AddHeader("Accept: application/json");
  exchange.AddHeader("User-Agent: center-coordinator/" CENTER_VERSION);
  if (!token.empty()) exchange.AddHeader("Authorization: Bearer " + token);
  if (!request.body.empty()) exchange.AddHeader("Content-Type: " + request.content_type);
  Prepare(handle.get(), request, &exchange);
  const CURLcode code = curl_easy_perform(handle.get());
  long http = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &http);
  exchange.answer.code = static_cast<int>(http);
  const bool time_over = code == CURLE_OPERATION_TIMEDOUT && on_data && http == 200;
  absl::Status status;
  if (code != CURLE_OK && !exchange.enough && !time_over) {
    status = StatusOfCurl(code, exchange, request);
  }
  GiveBack(std::move(handle));
  if (!status.ok()) return status;
  return std::move(exchange.answer);
}

absl::Status CurlTransport::StatusOfCurl(int code, const Exchange& exchange,
                                         const HttpRequest& request) const {
  if (interrupted_.load()) return absl::CancelledError("interrupted");
  const std::string what = absl::StrCat(
      "the API server ", config_.server, ": ",
      exchange.error[0] == '\0' ? curl_easy_strerror(static_cast<CURLcode>(code)) : exchange.error);
  if (exchange.too_long) {
    return absl::ResourceExhaustedError(absl::StrCat(request.method, " ", request.target,
                                                     ": the answer has more than ", kAnswerBytesMax,
                                                     " bytes"));
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(what);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return absl::UnauthenticatedError(what);
    default:
      return absl::UnavailableError(what);
  }
}

}  // namespace center::kube
