#include "services/worker/journal/scanner.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/crc32c.h"
#include "services/common/status_macros.h"

namespace center::journal {
namespace {

constexpr size_t kScanWindowBytes = 1 << 20;

}  // namespace

absl::StatusOr<absl::string_view> FileWindow::At(uint64_t position, size_t size) {
  if (position >= begin_ && position + size <= begin_ + filled_) {
    return absl::string_view(buffer_.data() + (position - begin_), begin_ + filled_ - position);
  }
  const size_t wanted = std::max(size, window_bytes_);
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  begin_ = position;
  filled_ = 0;
  ASSIGN_OR_RETURN(filled_, file_->ReadAt(position, buffer_.data(), wanted));
  return absl::string_view(buffer_.data(), filled_);
}

Scanner::Scanner(const File* file, const Range& range)
    : window_(file,
              std::min<uint64_t>(kScanWindowBytes, std::max(range.begin, range.end) - range.begin)),
      position_(range.begin),
      end_(std::max(range.begin, range.end)),
      expected_(range.expected_offset),
      end_offset_(range.end_offset) {}

Scanner::Item Scanner::Advance(Kind kind, uint64_t bytes, uint64_t to) {
  Item item;
  item.kind = kind;
  item.position = position_;
  item.bytes = bytes;
  item.from = expected_;
  item.to = to;
  position_ += bytes;
  expected_ = to;
  return item;
}

Scanner::Item Scanner::Tail() {
  if (end_offset_) {
    return Advance(Kind::kHeaderDamage, end_ - position_, std::max(expected_, *end_offset_));
  }
  return Advance(Kind::kIncompleteTail, end_ - position_, expected_);
}

bool Scanner::Plausible(const RecordHeader& header, uint64_t position) const {
  if (header.base_offset < expected_) return false;
  if (end_offset_ && header.end_offset() > *end_offset_) return false;
  // An offset takes at least one byte of its record, so bytes that are lost bound the offsets that
  // are: a record from elsewhere, stored as a payload, is not mistaken for one of ours. At an
  // undamaged position (none lost) it is the caller who knows that the numbers jumped.
  return position == position_ || header.base_offset - expected_ <= position - position_;
}

absl::StatusOr<Scanner::Item> Scanner::Next() {
  if (position_ >= end_) {
    if (end_offset_ && expected_ < *end_offset_) return Advance(Kind::kMissing, 0, *end_offset_);
    return Advance(Kind::kEnd, 0, expected_);
  }
  const uint64_t left = end_ - position_;
  if (left < kHeaderBytes) return Tail();
  ASSIGN_OR_RETURN(absl::string_view bytes, window_.At(position_, kHeaderBytes));
  if (bytes.size() < kHeaderBytes) {  // the file has become shorter since its size was read
    end_ = position_ + bytes.size();
    return Next();
  }
  const auto header = DecodeHeader(bytes);
  if (!header && IsNewerVersion(bytes)) {
    return absl::FailedPreconditionError(
        "this journal was written by a newer version of Center; use that version");
  }
  if (!header || !Plausible(*header, position_)) return Resync();
  // Before the jump: the offsets before a record that is cut off are not missing, they are next.
  if (header->record_bytes() > left) return Tail();
  if (header->base_offset > expected_) return Advance(Kind::kMissing, 0, header->base_offset);
  ASSIGN_OR_RETURN(bytes, window_.At(position_, header->record_bytes()));
  if (bytes.size() < header->record_bytes()) {
    end_ = position_ + bytes.size();
    return Next();
  }
  const absl::string_view payload = bytes.substr(kHeaderBytes, header->length);
  if (Crc32c(payload) != header->payload_crc) {
    return Advance(Kind::kPayloadDamage, header->record_bytes(), header->end_offset());
  }
  Item item = Advance(Kind::kRecord, header->record_bytes(), header->end_offset());
  item.header = *header;
  item.payload = payload;
  return item;
}

absl::StatusOr<bool> Scanner::OnlyZerosLeft() {
  for (uint64_t at = position_; at < end_;) {
    ASSIGN_OR_RETURN(absl::string_view bytes, window_.At(at, 1));
    if (bytes.empty()) break;
    bytes = bytes.substr(0, end_ - at);
    if (bytes.find_first_not_of('\0') != absl::string_view::npos) return false;
    at += bytes.size();
  }
  return true;
}

absl::StatusOr<Scanner::Item> Scanner::Resync() {
  // A power loss can leave a file with its new size but without its data.
  ASSIGN_OR_RETURN(const bool zeros, OnlyZerosLeft());
  if (zeros) return Tail();
  for (uint64_t at = position_ + 1; at + kHeaderBytes <= end_;) {
    ASSIGN_OR_RETURN(absl::string_view bytes, window_.At(at, kHeaderBytes));
    if (bytes.size() < kHeaderBytes) break;
    const size_t found = bytes.find(kMagic);
    if (found == absl::string_view::npos) {
      at += bytes.size() - kMagic.size() + 1;
      continue;
    }
    at += found;
    if (at + kHeaderBytes > end_) break;
    ASSIGN_OR_RETURN(bytes, window_.At(at, kHeaderBytes));
    const auto header = DecodeHeader(bytes);
    if (header && Plausible(*header, at)) {
      return Advance(Kind::kHeaderDamage, at - position_, header->base_offset);
    }
    ++at;
  }
  const uint64_t lost = end_ - position_;
  return Advance(Kind::kHeaderDamage, lost,
                 end_offset_ ? std::max(expected_, *end_offset_) : expected_ + lost);
}

}  // namespace center::journal
