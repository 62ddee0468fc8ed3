// Producers that send as fast as a server takes it: the load of `bench ingest`.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "center/v1/server.pb.h"
#include "cli/tcp.h"

namespace center::cli {

struct BlastOptions {
  Target target;
  v1::Framing framing = v1::FRAMING_LINE;
  uint32_t connections = 4;
  uint32_t threads = 2;
  uint64_t payload_bytes = 100;  // without delimiter
  uint64_t count = 0;            // payloads in all; 0: until `duration` is over
  absl::Duration duration = absl::Seconds(5);
  absl::Duration drain_timeout = absl::Seconds(30);  // for the server to read what was sent
  const std::atomic<bool>* stop = nullptr;           // set: end now, at a payload's end
};

struct BlastResult {
  uint64_t payloads = 0;
  double seconds = 0;  // until the server had read everything and closed every connection
};

// Frames of one payload, repeated up to about `buffer_bytes`: what a connection sends again and
// again.
std::string BlastBuffer(v1::Framing framing, uint64_t payload_bytes, size_t buffer_bytes);
// Bytes of one framed payload.
uint64_t FrameBytes(v1::Framing framing, uint64_t payload_bytes);

// Opens the connections, sends, ends each at a payload's end and waits until the server closes it.
absl::StatusOr<BlastResult> Blast(const BlastOptions& options);

}  // namespace center::cli
