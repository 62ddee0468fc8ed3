// Events about rejected connections, so many a second and no more: a port scan must not become a
// flood of events. What is left out is counted, and the count is told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "center/v1/event.pb.h"
#include "services/common/clock.h"
#include "services/worker/ingest/ingest_server.h"

namespace center::worker {

// "frame-timeout", …: in event details and metrics.
absl::string_view RejectCauseName(ingest::RejectCause cause);

// Lives on the ingest thread.
class RejectFeed {
 public:
  static constexpr uint32_t kEventsPerSecondMax = 10;

  RejectFeed(std::string worker, Clock& clock, std::function<void(v1::Event)> send);

  void OnReject(const ingest::RejectedConnection& rejected);
  // Call about every second: tells what was left out.
  void Tick();

  // Since the beginning, by cause.
  const std::map<ingest::RejectCause, uint64_t>& counts() const { return counts_; }

 private:
  void OpenWindow();

  const std::string worker_;
  Clock& clock_;
  const std::function<void(v1::Event)> send_;
  SteadyTime window_start_;
  uint32_t sent_ = 0;        // in this window
  uint64_t suppressed_ = 0;  // not told yet
  std::map<ingest::RejectCause, uint64_t> counts_;
};

}  // namespace center::worker
