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

// UTF-8 text in which nothing can move the cursor, change colours or hide: control characters
// become \n, \x1b, \u0085 and the like, as do marks that reverse the direction of writing. Tabs and
// line feeds stay; what is no UTF-8 becomes \xff.
std::string VisibleText(absl::string_view text);

// `offset  16 bytes in hex  |as ASCII|`, at most `max_bytes`, then how many are left out.
std::string HexDump(absl::string_view bytes, size_t max_bytes);

// A payload with its header line (time, worker, offset, peer), ended by a line feed.
std::string PrettyPayload(const BatchHeader& header, uint64_t offset, absl::string_view payload,
                          const Style& style);

}  // namespace center::cli
