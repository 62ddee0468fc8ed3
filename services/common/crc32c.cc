#include "services/common/crc32c.h"

#include <isa-l/crc.h>

namespace center {

uint32_t Crc32c(absl::string_view data, uint32_t previous) {
  // ISA-L takes a non-const pointer and an int length, leaves the bytes alone, and neither starts
  // with nor ends on the inversion that the standard asks for.
  uint32_t crc = ~previous;
  while (!data.empty()) {
    const size_t n = data.size() < (1U << 30) ? data.size() : (1U << 30);
    crc =
        crc32_iscsi(const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(data.data())),
                    static_cast<int>(n), crc);
    data.remove_prefix(n);
  }
  return ~crc;
}

}  // namespace center
