// CRC32C (Castagnoli, RFC 3720 appendix B.4), by ISA-L. Crc32c("123456789") == 0xE3069283.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace center {

// The checksum of `data`; pass an earlier result as `previous` to go on where it ended.
uint32_t Crc32c(absl::string_view data, uint32_t previous = 0);

}  // namespace center
