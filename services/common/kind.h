// What a payload looks like: decided when it is read, from its bytes alone.
#pragma once

#include "absl/strings/string_view.h"

namespace center {

enum class PayloadKind { kText, kJson, kBinary };

// JSON: "JSON|<json>", or a bare JSON object or array (the whole payload is valid JSON). TEXT:
// other valid UTF-8. BINARY: the rest. An empty payload is TEXT. "JSON|" before something that is
// no JSON is TEXT.
PayloadKind ClassifyPayload(absl::string_view payload);

// The JSON text of a payload of kind JSON: the payload without a leading "JSON|".
absl::string_view JsonText(absl::string_view payload);

}  // namespace center
