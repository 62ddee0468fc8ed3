// `line`: LF ends a payload; one CR before it is dropped. An empty line is an empty payload, so
// that the payloads of a stream are as many as its line ends.
#include <algorithm>
#include <cstring>

#include "services/worker/ingest/framer.h"
#include "services/worker/ingest/packer.h"

namespace center::ingest {

ScanResult Framer::ScanLines(char* buffer, size_t size, const ScanLimits& limits) {
  ScanResult result;
  Packer packer(buffer, limits);
  const char* const end = buffer + size;
  const char* line = buffer;
  const char* search = buffer + std::min<size_t>(searched_, size);
  bool too_large = false;
  searched_ = 0;
  for (;;) {
    const void* found = search == end ? nullptr : std::memchr(search, '\n', end - search);
    if (found == nullptr) break;
    const char* const lf = static_cast<const char*>(found);
    size_t length = static_cast<size_t>(lf - line);
    if (length > 0 && lf[-1] == '\r') --length;
    too_large = length > max_payload_bytes_;
    if (too_large) break;
    result.limited = !packer.Add(line, length);
    if (result.limited) break;
    line = search = lf + 1;
  }
  packer.Finish(limits, &result);
  result.consumed = static_cast<size_t>(line - buffer);
  if (!too_large && !result.limited) {
    // The last byte may be the CR of a line that just fits.
    const size_t rest = static_cast<size_t>(end - line);
    const size_t length = rest > 0 && end[-1] == '\r' ? rest - 1 : rest;
    too_large = length > max_payload_bytes_;
    searched_ = static_cast<uint32_t>(rest);
  }
  if (too_large) {
    result.error_position = position_ + result.consumed;
    result.error = TooLarge(result.error_position);
  }
  return result;
}

}  // namespace center::ingest
