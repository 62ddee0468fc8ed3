// Payloads for people: JSON indented, text with control characters made visible, the rest as a hex
// dump.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "cli/output.h"
#include "services/common/payload_batch.h"

namespace center::cli {

// `json` (REQUIRES: valid) with two spaces for each level, keys in the order they came, numbers and
// strings as they were written; empty objects and arrays stay on one line.
std::string IndentJson(absl::string_view json, const Style& style);

// `offset  16 bytes in hex  |as ASCII|`, at most `max_bytes`, then how many are left out.
std::string HexDump(absl::string_view bytes, size_t max_bytes);

// A payload with its header line (time, worker, offset, peer), ended by a line feed.
std::string PrettyPayload(const BatchHeader& header, uint64_t offset, absl::string_view payload,
                          const Style& style);

}  // namespace center::cli
