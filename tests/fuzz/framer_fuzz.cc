// Any bytes, any framing, any split into reads: a framer must give what it gives for the whole
// stream at once, stay inside its buffer and make progress.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "services/worker/ingest/framer.h"

namespace {

using center::Framing;
using center::ingest::Framer;
using center::ingest::ScanResult;

constexpr uint32_t kMaxPayloadBytes = 300;

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  std::vector<std::string> payloads;
  std::string error;
  uint64_t error_position = 0;
  bool operator==(const Outcome&) const = default;
};

void Collect(const ScanResult& result, const char* data, const std::vector<uint32_t>& sizes,
             Outcome* outcome) {
  size_t at = 0;
  for (size_t i = 0; i < result.count; ++i) {
    Require(sizes[i] <= kMaxPayloadBytes);
    outcome->payloads.emplace_back(data + at, sizes[i]);
    at += sizes[i];
  }
  Require(at == result.data_bytes && result.data_bytes <= result.consumed);
  outcome->error = std::string(result.error.message());
  outcome->error_position = result.error_position;
}

// Feeds `stream` in reads of step(i) bytes.
template <typename Step>
Outcome Feed(Framing framing, const std::string& stream, size_t sizes_max, Step&& step) {
  Framer framer(framing, kMaxPayloadBytes);
  Outcome outcome;
  std::vector<uint32_t> sizes(sizes_max);
  std::string rest;
  for (size_t at = 0, i = 0; at < stream.size(); ++i) {
    const size_t n = std::min(stream.size() - at, step(i));
    rest.append(stream, at, n);
    at += n;
    bool limited = true;
    while (limited) {
      // A copy of exactly this size: a sanitizer sees any access beyond it.
      std::vector<char> buffer(rest.begin(), rest.end());
      const ScanResult result = framer.Scan(buffer.data(), buffer.size(), {sizes, 1000});
      Require(result.consumed <= buffer.size());
      Collect(result, buffer.data(), sizes, &outcome);
      if (!result.error.ok()) return outcome;
      Require(!result.limited || result.consumed > 0);
      rest.erase(0, result.consumed);
      limited = result.limited;
    }
    Require(framer.position() + rest.size() == at);
  }
  std::vector<char> buffer(rest.begin(), rest.end());
  const ScanResult last = framer.Finish(buffer.data(), buffer.size(), {sizes, 1000});
  Collect(last, buffer.data(), sizes, &outcome);
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto framing = static_cast<Framing>(data[0] % 4);
  const uint8_t seed = data[1];
  const std::string stream(reinterpret_cast<const char*>(data + 2), size - 2);
  const Outcome whole =
      Feed(framing, stream, stream.size() + 1, [&](size_t) { return stream.size(); });
  const Outcome split = Feed(framing, stream, 1 + seed % 5,
                             [&](size_t i) { return 1 + (seed * (i + 1) + i * i) % 37; });
  // Every read is a payload of its own there, so the split matters.
  if (framing != Framing::kChunk) Require(whole == split);
  return 0;
}
