// Feeds a framer and collects what it gives, for the framer tests.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/worker/ingest/framer.h"

namespace center::ingest {

struct Fed {
  std::vector<std::string> payloads;
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string error;
  uint64_t error_position = 0;
  std::string rest;  // what is unfinished when no error has come

  bool operator==(const Fed&) const = default;
};

class Feeder {
 public:
  Feeder(Framing framing, uint32_t max_payload_bytes, size_t sizes_max = 1024,
         size_t data_bytes_max = 1 << 20)
      : framer_(framing, max_payload_bytes), sizes_(sizes_max), data_bytes_max_(data_bytes_max) {}

  // One read. Nothing happens after an error.
  void Read(absl::string_view bytes) {
    if (fed_.code != absl::StatusCode::kOk) return;
    fed_.rest.append(bytes.data(), bytes.size());
    bool limited = true;
    while (limited) {
      std::string buffer = fed_.rest;
      const ScanResult result = framer_.Scan(buffer.data(), buffer.size(), Limits());
      Collect(result, buffer);
      fed_.rest.erase(0, result.consumed);
      limited = result.limited;
      ++scans_;
    }
  }

  void End() {
    if (fed_.code != absl::StatusCode::kOk) return;
    std::string buffer = fed_.rest;
    const ScanResult result = framer_.Finish(buffer.data(), buffer.size(), Limits());
    Collect(result, buffer);
    fed_.rest.erase(0, result.consumed);
  }

  const Fed& fed() const { return fed_; }
  const Framer& framer() const { return framer_; }
  int scans() const { return scans_; }

 private:
  ScanLimits Limits() { return {.sizes = sizes_, .data_bytes = data_bytes_max_}; }

  void Collect(const ScanResult& result, absl::string_view buffer) {
    size_t at = 0;
    for (size_t i = 0; i < result.count; ++i) {
      fed_.payloads.emplace_back(buffer.substr(at, sizes_[i]));
      at += sizes_[i];
    }
    fed_.code = result.error.code();
    fed_.error = std::string(result.error.message());
    fed_.error_position = result.error_position;
  }

  Framer framer_;
  std::vector<uint32_t> sizes_;
  const size_t data_bytes_max_;
  Fed fed_;
  int scans_ = 0;
};

// The whole stream as one read, then its end.
inline Fed FeedAll(Framing framing, absl::string_view stream, uint32_t max_payload_bytes = 1000) {
  Feeder feeder(framing, max_payload_bytes);
  feeder.Read(stream);
  feeder.End();
  return feeder.fed();
}

}  // namespace center::ingest
