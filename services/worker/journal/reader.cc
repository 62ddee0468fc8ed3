#include "services/worker/journal/reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/crc32c.h"
#include "services/common/status_macros.h"
#include "services/worker/journal/record.h"
#include "services/worker/journal/scanner.h"
#include "services/worker/journal/segment_set.h"

namespace center::journal {
namespace {

// Finding the first record reads headers through a window of this size.
constexpr size_t kSeekWindowBytes = 16 << 10;
// How often a segment that is listed but cannot be found is looked for again, in case retention is
// just deleting it.
constexpr int kMissingFileRetries = 3;

}  // namespace

Reader::Reader(std::shared_ptr<SegmentSet> segments, FileSystem* fs, uint64_t offset)
    : segments_(std::move(segments)), fs_(fs), next_(offset) {}

Reader::~Reader() = default;

absl::StatusOr<Reader::Result> Reader::Read(size_t max_bytes) {
  for (;;) {
    Result result;
    const uint64_t visible_end = segments_->visible_end();
    if (next_ >= visible_end) return result;
    if (segment_ == nullptr) {
      ASSIGN_OR_RETURN(const Step step, OpenSegment(&result));
      if (step == Step::kGap) return result;
      if (step == Step::kAgain) continue;
    }
    ASSIGN_OR_RETURN(const Step step, ReadRecords(max_bytes, visible_end, &result));
    if (step != Step::kAgain) return result;
  }
}

Reader::Step Reader::ReportGap(uint64_t from, uint64_t to, Gap::Reason reason, std::string detail,
                               Result* result) {
  from = std::max(from, next_);
  if (to <= from) return Step::kAgain;  // before what was asked for
  next_ = to;
  result->gap = Gap{from, to, reason, std::move(detail)};
  return Step::kGap;
}

absl::StatusOr<Reader::Step> Reader::OpenSegment(Result* result) {
  const uint64_t first = segments_->first_offset();
  if (next_ < first) {
    return ReportGap(next_, first, Gap::Reason::kRetention,
                     absl::StrCat("deleted by retention: the journal begins at ", first), result);
  }
  auto segment = segments_->Find(next_);
  if (segment == nullptr) return Step::kAgain;  // deleted since first_offset was read
  auto file = fs_->OpenForRead(segments_->PathOf(*segment));
  if (absl::IsNotFound(file.status())) {
    const Segment::Extent extent = segment->extent();
    if (++missing_file_retries_ <= kMissingFileRetries || !extent.sealed) {
      return missing_file_retries_ <= kMissingFileRetries ? absl::StatusOr<Step>(Step::kAgain)
                                                          : file.status();
    }
    missing_file_retries_ = 0;
    return ReportGap(next_, extent.end_offset, Gap::Reason::kCorruption,
                     absl::StrCat("the segment ", segment->name(), " is missing"), result);
  }
  if (!file.ok()) return file.status();
  missing_file_retries_ = 0;
  segment_ = std::move(segment);
  file_ = std::move(*file);
  const Segment::Place place = segment_->Locate(next_);
  position_ = place.position;
  expected_ = place.offset;
  SkipToTarget(segment_->extent().bytes);
  return Step::kRecords;
}

// Goes from header to header up to the record that holds next_. Where it meets damage it stops:
// reading goes on from there.
void Reader::SkipToTarget(uint64_t segment_bytes) {
  FileWindow window(file_.get(), kSeekWindowBytes);
  while (expected_ < next_ && position_ + kHeaderBytes <= segment_bytes) {
    const auto bytes = window.At(position_, kHeaderBytes);
    if (!bytes.ok()) return;
    const auto header = DecodeHeader(*bytes);
    if (!header || header->base_offset != expected_ || header->end_offset() > next_ ||
        position_ + header->record_bytes() > segment_bytes) {
      return;
    }
    position_ += header->record_bytes();
    expected_ = header->end_offset();
  }
}

absl::StatusOr<Reader::Step> Reader::ReadRecords(size_t max_bytes, uint64_t visible_end,
                                                 Result* result) {
  const Segment::Extent extent = segment_->extent();
  const uint64_t left = extent.bytes > position_ ? extent.bytes - position_ : 0;
  if (left < kHeaderBytes) {
    if (left > 0 || (extent.sealed && expected_ < extent.end_offset)) return PassDamage(result);
    if (!extent.sealed) return Step::kCaughtUp;
    segment_ = nullptr;
    file_ = nullptr;
    return Step::kAgain;
  }
  size_t wanted = std::max(max_bytes, kHeaderBytes);
  for (;;) {
    wanted = std::min<uint64_t>(wanted, extent.bytes - position_);
    auto buffer = std::make_shared<Buffer>(wanted);
    ASSIGN_OR_RETURN(const size_t filled, file_->ReadAt(position_, buffer->data(), wanted));
    result->buffer = std::move(buffer);
    const size_t tried = wanted;
    const Step step = ParseBuffer(filled, visible_end, &wanted, result);
    if (step == Step::kRecords) return step;
    result->buffer = nullptr;
    if (step == Step::kCaughtUp) return step;
    // Damage, unless the first record only needs a larger buffer.
    if (wanted <= tried) return step == Step::kGap ? PassDamage(result) : Step::kAgain;
  }
}

// Takes the intact records from the buffer, which was read from position_. kRecords: there are
// some; kCaughtUp: what follows is not visible yet; kGap: damage comes first; kAgain: the first
// record needs `*wanted` bytes, or the buffer held nothing but what comes before next_.
Reader::Step Reader::ParseBuffer(size_t filled, uint64_t visible_end, size_t* wanted,
                                 Result* result) {
  const Segment::Extent extent = segment_->extent();
  const absl::string_view bytes(result->buffer->data(), filled);
  size_t at = 0;
  Step outcome = Step::kAgain;
  while (at + kHeaderBytes <= filled) {
    const auto header = DecodeHeader(bytes.substr(at));
    if (!header || header->base_offset != expected_ || header->end_offset() > extent.end_offset ||
        position_ + header->record_bytes() > extent.bytes) {
      outcome = Step::kGap;
      break;
    }
    if (header->base_offset >= visible_end) {
      outcome = Step::kCaughtUp;
      break;
    }
    if (at + header->record_bytes() > filled) {
      if (result->records.empty()) *wanted = header->record_bytes();
      break;
    }
    const absl::string_view payload = bytes.substr(at + kHeaderBytes, header->length);
    if (Crc32c(payload) != header->payload_crc) {
      outcome = Step::kGap;
      break;
    }
    if (header->end_offset() > next_) {
      result->records.push_back(
          {header->base_offset, header->count, header->time_ns, payload, kHeaderBytes});
    }
    at += header->record_bytes();
    position_ += header->record_bytes();
    expected_ = header->end_offset();
  }
  if (filled < kHeaderBytes) outcome = Step::kGap;  // the file is shorter than it was
  if (result->records.empty()) return outcome;
  next_ = expected_;
  return Step::kRecords;
}

absl::StatusOr<Reader::Step> Reader::PassDamage(Result* result) {
  const Segment::Extent extent = segment_->extent();
  Scanner scanner(file_.get(), {position_, extent.bytes, expected_, extent.end_offset});
  ASSIGN_OR_RETURN(const Scanner::Item item, scanner.Next());
  if (item.kind == Scanner::Kind::kRecord) return Step::kAgain;  // it was read wrong only once
  position_ = item.position + item.bytes;
  expected_ = item.to;
  if (item.kind == Scanner::Kind::kEnd) {
    position_ = extent.bytes;
    return Step::kAgain;
  }
  const std::string detail = segments_->ReportDamage(*segment_, *file_, item);
  return ReportGap(item.from, item.to, Gap::Reason::kCorruption, detail, result);
}

}  // namespace center::journal
