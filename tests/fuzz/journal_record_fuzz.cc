// Any bytes as the last segment of a journal, or as one that another follows: the scanner must
// account for each of them, opening must succeed, readers must get only what the scanner calls
// intact and a gap for the rest, and appending must go on.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/common/crc32c.h"
#include "services/common/log.h"
#include "services/worker/journal/layout.h"
#include "services/worker/journal/reader.h"
#include "services/worker/journal/recovery.h"
#include "services/worker/journal/retention.h"
#include "services/worker/journal/scanner.h"
#include "services/worker/journal/segment_set.h"
#include "services/worker/journal/writer.h"
#include "tests/unit/journal/testing.h"

namespace {

using namespace center::journal;  // NOLINT: this file is about nothing else
using Kind = Scanner::Kind;

constexpr uint64_t kOffsetsMax = uint64_t{1} << 48;

void Require(bool condition) {
  if (!condition) std::abort();
}

// Gives every header its right checksum, and its payload, too: mutations reach what stands behind
// the checksums. Offsets stay in a range that a journal can reach.
void Reseal(std::string* bytes) {
  size_t at = 0;
  while ((at = bytes->find(std::string(kMagic), at)) != std::string::npos) {
    if (at + kHeaderBytes > bytes->size()) return;
    char* const header = bytes->data() + at;
    uint64_t base = 0;
    uint32_t length = 0;
    std::memcpy(&base, header + 16, sizeof base);
    std::memcpy(&length, header + 8, sizeof length);
    base %= kOffsetsMax;
    std::memcpy(header + 16, &base, sizeof base);
    if (length <= bytes->size() - at - kHeaderBytes) {
      const uint32_t payload_crc = center::Crc32c({header + kHeaderBytes, length});
      std::memcpy(header + 40, &payload_crc, sizeof payload_crc);
    }
    const uint32_t crc = center::Crc32c({header, kHeaderBytes - 4});
    std::memcpy(header + kHeaderBytes - 4, &crc, sizeof crc);
    at += kMagic.size();
  }
}

struct Scanned {
  bool newer = false;
  std::vector<Contents::Item> records;
};

// Walks the segment; every byte and every offset belongs to exactly one item.
Scanned Scan(const File& file, uint64_t size, uint64_t base, absl::optional<uint64_t> end_offset) {
  Scanner scanner(&file, {0, size, base, end_offset});
  Scanned scanned;
  uint64_t position = 0;
  uint64_t offset = base;
  for (;;) {
    const auto item = scanner.Next();
    if (!item.ok()) {
      Require(absl::IsFailedPrecondition(item.status()));
      scanned.newer = true;
      return scanned;
    }
    Require(item->position == position && item->from == offset && item->to >= item->from);
    position += item->bytes;
    offset = item->to;
    Require(position <= size && (!end_offset || offset <= *end_offset));
    if (item->kind == Kind::kEnd) break;
    Require(item->bytes > 0 || item->to > item->from);  // or the walk would not end
    if (item->kind != Kind::kRecord) continue;
    Require(item->header.payload_crc == center::Crc32c(item->payload));
    scanned.records.push_back(
        {item->from, item->header.count, item->header.time_ns, std::string(item->payload)});
  }
  Require(position == size);
  return scanned;
}

// An open journal without its maintenance thread, which would take most of the time.
class Opened {
 public:
  explicit Opened(FaultFs* fs)
      : dependencies_{fs, &clock_}, segments_(std::make_shared<SegmentSet>(fs, kDir, nullptr)) {
    options_.dir = kDir;
    auto recovered = Recover(options_, dependencies_, segments_);
    status_ = recovered.status();
    if (!recovered.ok()) return;
    retention_ = std::make_unique<Retention>(options_, dependencies_, segments_);
    writer_ = std::make_unique<Writer>(options_, dependencies_, retention_.get(), segments_,
                                       std::move(recovered->active));
  }
  const absl::Status& status() const { return status_; }
  uint64_t first_offset() const { return segments_->first_offset(); }
  uint64_t next_offset() const { return writer_->next_offset(); }
  void Append(uint32_t count) {
    Require(AppendGroup(*writer_, {count}).ok());
    segments_->set_visible_end(writer_->next_offset());
  }
  // What a reader gets is gapless in offsets, and its records are `expected`.
  void RequireReadable(const std::vector<Contents::Item>& expected) const;

 private:
  FakeClock clock_;
  Options options_;
  const Dependencies dependencies_;
  const std::shared_ptr<SegmentSet> segments_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Writer> writer_;
  absl::Status status_;
};

void Opened::RequireReadable(const std::vector<Contents::Item>& expected) const {
  uint64_t next = first_offset();
  Reader reader(segments_, dependencies_.fs, next);
  size_t i = 0;
  for (;;) {
    const auto result = reader.Read(200);
    Require(result.ok());
    if (result->gap) {
      Require(result->gap->from == next && result->gap->to > next);
      next = result->gap->to;
    } else if (result->records.empty()) {
      break;
    }
    for (const RecordView& record : result->records) {
      Require(record.base_offset == next && i < expected.size());
      Require(record.base_offset == expected[i].base && record.count == expected[i].count);
      Require(record.bytes == absl::string_view(expected[i].bytes));
      Require(record.time_ns == expected[i].time_ns);
      next += record.count;
      ++i;
    }
  }
  Require(i == expected.size() && next == segments_->visible_end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  spdlog::set_level(spdlog::level::off);
  const bool last = (data[0] & 1) != 0;
  const uint64_t base = data[1];
  std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  if ((data[0] & 2) != 0) Reseal(&bytes);

  FaultFs fs;
  const std::string path = JoinPath(kDir, SegmentName(base));
  fs.SetContent(path, bytes);
  absl::optional<uint64_t> end_offset;
  if (!last) {
    end_offset = base + 40;
    fs.SetContent(JoinPath(kDir, SegmentName(*end_offset)), "");
  }
  const auto file = fs.OpenForRead(path);
  Scanned scanned = Scan(**file, bytes.size(), base, end_offset);
  Opened journal(&fs);
  if (scanned.newer) {
    Require(!last || absl::IsFailedPrecondition(journal.status()));
    return 0;
  }
  Require(journal.status().ok() && journal.first_offset() == base);
  journal.RequireReadable(scanned.records);

  const uint64_t next = journal.next_offset();
  journal.Append(3);
  scanned.records.push_back({next, 3, RecordTime(next), RecordBytes(next, 3)});
  journal.RequireReadable(scanned.records);

  const Opened again(&fs);
  Require(again.status().ok() && again.next_offset() == next + 3);
  again.RequireReadable(scanned.records);
  return 0;
}
