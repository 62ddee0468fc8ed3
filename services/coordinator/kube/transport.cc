#include "services/coordinator/kube/transport.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/coordinator/kube/json.h"

namespace center::kube {
namespace {

// Of an answer's words, in a message.
constexpr size_t kWordsBytesMax = 1024;

absl::StatusCode CodeOf(int http) {
  switch (http) {
    case 400:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;  // a resourceVersion that is too old
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 504:
    case 408:
      return absl::StatusCode::kDeadlineExceeded;
    default:
      return http >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kUnknown;
  }
}

}  // namespace

absl::Status StatusOfAnswer(const HttpAnswer& answer, absl::string_view what) {
  if (answer.code >= 200 && answer.code < 300) return absl::OkStatus();
  // metav1.Status, unless something between us and the API server has answered.
  std::string words;
  if (const auto status = ParseJson(answer.body); status.ok()) {
    words = TextAt(*status, {"message"});
  }
  if (words.empty()) words = answer.body;
  words.resize(std::min(words.size(), kWordsBytesMax));
  for (char& c : words) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return absl::Status(CodeOf(answer.code),
                      absl::StrCat(what, ": the API server answers ", answer.code,
                                   words.empty() ? "" : ": ", words));
}

bool MayBeRepeated(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsUnauthenticated(status);
}

std::string UrlEscape(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped.push_back(c);
    } else {
      absl::StrAppendFormat(&escaped, "%%%02X", byte);
    }
  }
  return escaped;
}

}  // namespace center::kube
