// HTTP calls to the API server: the seam behind which curl is, or a fake.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace center::kube {

// An answer that is longer is refused. A page of 500 pods has about 5 MiB.
inline constexpr size_t kAnswerBytesMax = size_t{64} << 20;

struct HttpRequest {
  std::string method = "GET";
  std::string target;  // path and query
  std::string body;
  std::string content_type = "application/json";
  absl::Duration timeout = absl::Seconds(30);  // of the whole call
};

struct HttpAnswer {
  int code = 0;
  std::string body;
  absl::Duration retry_after;  // 0: not said
};

// Calls block. Thread-safe.
class Transport {
 public:
  // A piece of an answer with code 200; false: enough. The first is empty, and comes as soon as the
  // answer has begun.
  using OnData = std::function<bool(absl::string_view)>;

  virtual ~Transport() = default;
  // Any HTTP answer is a success here. Errors: Unavailable (no answer), DeadlineExceeded,
  // Unauthenticated (of the server's certificate, or no token can be read), ResourceExhausted
  // (kAnswerBytesMax), Cancelled (Interrupt).
  virtual absl::StatusOr<HttpAnswer> Call(const HttpRequest& request) = 0;
  // The same; the body of an answer with code 200 goes to `on_data` as it comes. OK when the server
  // has ended it, the time is over or on_data has had enough.
  virtual absl::StatusOr<HttpAnswer> Stream(const HttpRequest& request, const OnData& on_data) = 0;
  // Every call under way and to come ends with Cancelled, soon.
  virtual void Interrupt() = 0;
};

// What an answer that is no success means: NotFound, PermissionDenied, … with the server's words.
// OK for codes from 200 to 299.
absl::Status StatusOfAnswer(const HttpAnswer& answer, absl::string_view what);

// Whether the same call may succeed later: the server is away, overloaded or throttles.
bool MayBeRepeated(const absl::Status& status);

// For a query: everything but letters, digits and -._~ is escaped.
std::string UrlEscape(absl::string_view text);

}  // namespace center::kube
