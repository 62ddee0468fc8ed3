#include "services/common/kind.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "simdjson.h"

namespace center {
namespace {

constexpr absl::string_view kJsonPrefix = "JSON|";

bool IsValidJson(absl::string_view text) {
  // One parser a thread: it owns buffers that are worth keeping between payloads.
  thread_local simdjson::dom::parser parser;
  return parser.parse(simdjson::padded_string(text.data(), text.size())).error() ==
         simdjson::SUCCESS;
}

}  // namespace

PayloadKind ClassifyPayload(absl::string_view payload) {
  if (absl::StartsWith(payload, kJsonPrefix)) {
    if (IsValidJson(payload.substr(kJsonPrefix.size()))) return PayloadKind::kJson;
  } else {
    const absl::string_view text = absl::StripLeadingAsciiWhitespace(payload);
    const bool looks_like_json = !text.empty() && (text.front() == '{' || text.front() == '[');
    if (looks_like_json && IsValidJson(text)) return PayloadKind::kJson;
  }
  return simdjson::validate_utf8(payload.data(), payload.size()) ? PayloadKind::kText
                                                                 : PayloadKind::kBinary;
}

absl::string_view JsonText(absl::string_view payload) {
  return absl::StartsWith(payload, kJsonPrefix) ? payload.substr(kJsonPrefix.size()) : payload;
}

}  // namespace center
