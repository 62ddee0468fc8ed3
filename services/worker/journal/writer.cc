#include "services/worker/journal/writer.h"

#include <algorithm>
#include <climits>
#include <limits>

#include "absl/strings/str_cat.h"
#include "services/common/crc32c.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"
#include "services/worker/journal/layout.h"
#include "services/worker/journal/record.h"

namespace center::journal {
namespace {

// How much is written between two looks at the file system's free space.
constexpr uint64_t kRoomCheckBytes = 1 << 20;
constexpr size_t kPartsPerRecord = 3;
constexpr size_t kPartsPerWrite = IOV_MAX / kPartsPerRecord * kPartsPerRecord;
// A full journal takes records again when this part of the low-water mark is free beyond it, so
// that it does not go to and fro.
constexpr uint64_t kResumeFraction = 8;

absl::Status CheckRecord(const Record& record) {
  const uint64_t bytes = record.head.size() + record.body.size();
  if (record.count >= 1 && record.count <= bytes && bytes <= std::numeric_limits<uint32_t>::max()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no record for the journal: ", record.count, " payloads in ", bytes, " bytes"));
}

}  // namespace

Writer::Writer(const Options& options, const Dependencies& dependencies, Retention* retention,
               std::shared_ptr<SegmentSet> segments, Active active)
    : options_(options),
      dependencies_(dependencies),
      retention_(retention),
      segments_(std::move(segments)),
      next_offset_(active.segment->extent().end_offset),
      active_(std::move(active)),
      active_bytes_(active_.segment->extent().bytes),
      bytes_since_check_(kRoomCheckBytes) {}

absl::Status Writer::Append(absl::Span<const Record> records) {
  absl::optional<JournalEvent> event;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return failure_;
    status = AppendLocked(records);
    if (status.ok()) {
      event = SetBlocked("");
    } else if (IsFull(status)) {
      event = SetBlocked(std::string(status.message()));
    }
  }
  if (!status.ok() && !IsFull(status) && !absl::IsInvalidArgument(status)) Fail(status);
  if (event) segments_->Emit(*event);
  return status;
}

absl::Status Writer::AppendLocked(absl::Span<const Record> records) {
  uint64_t bytes = 0;
  for (const Record& record : records) {
    RETURN_IF_ERROR(CheckRecord(record));
    bytes += kHeaderBytes + record.head.size() + record.body.size();
  }
  if (records.empty()) return absl::OkStatus();
  blocked_by_write_ = false;
  blocked_bytes_ = bytes;
  if (std::string reason = FullReason(bytes); !reason.empty()) {
    return absl::ResourceExhaustedError(reason);
  }
  blocked_by_write_ = true;
  if (active_bytes_ > 0 && active_bytes_ + bytes > options_.segment_bytes) RETURN_IF_ERROR(Roll());
  const int64_t old_max_time = active_.max_time_ns;
  Encode(records);
  if (absl::Status status = WriteParts(active_bytes_); !status.ok()) {
    active_.max_time_ns = old_max_time;
    // Nothing may be left half-stored. If this fails, so has the journal.
    if (absl::Status cut = active_.file->Truncate(active_bytes_); !cut.ok()) {
      return absl::DataLossError(absl::StrCat(status.message(), "; then ", cut.message()));
    }
    return status;
  }
  uint64_t end = next_offset_.load(std::memory_order_relaxed);
  for (const Record& record : records) end += record.count;
  active_.segment->NoteTimes({records[0].time_ns, std::max(old_max_time, records[0].time_ns)});
  active_.segment->NoteTimes({records.back().time_ns, active_.max_time_ns});
  active_.segment->Grow(bytes, end);
  segments_->AddDiskBytes(bytes);
  active_bytes_ += bytes;
  active_unsynced_ = true;
  bytes_since_check_ += bytes;
  next_offset_.store(end, std::memory_order_release);
  return absl::OkStatus();
}

void Writer::Encode(absl::Span<const Record> records) {
  headers_.resize(records.size() * kHeaderBytes);
  parts_.clear();
  RecordHeader header;
  header.base_offset = next_offset_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    active_.max_time_ns = std::max(active_.max_time_ns, record.time_ns);
    header.length = static_cast<uint32_t>(record.head.size() + record.body.size());
    header.count = record.count;
    header.time_ns = record.time_ns;
    header.max_time_ns = active_.max_time_ns;
    header.payload_crc = Crc32c(record.body, Crc32c(record.head));
    char* const out = headers_.data() + i * kHeaderBytes;
    EncodeHeader(header, out);
    header.base_offset += record.count;
    parts_.push_back({out, kHeaderBytes});
    parts_.push_back({const_cast<char*>(record.head.data()), record.head.size()});
    parts_.push_back({const_cast<char*>(record.body.data()), record.body.size()});
  }
}

absl::Status Writer::WriteParts(uint64_t position) {
  absl::Span<iovec> parts = absl::MakeSpan(parts_);
  while (!parts.empty()) {
    ASSIGN_OR_RETURN(size_t written,
                     active_.file->WriteAt(position, parts.subspan(0, kPartsPerWrite)));
    if (written == 0) return absl::ResourceExhaustedError("the file system wrote nothing");
    position += written;
    while (!parts.empty() && written >= parts[0].iov_len) {
      written -= parts[0].iov_len;
      parts.remove_prefix(1);
    }
    if (written > 0) {  // in the middle of a part
      parts[0].iov_base = static_cast<char*>(parts[0].iov_base) + written;
      parts[0].iov_len -= written;
    }
  }
  return absl::OkStatus();
}

absl::Status Writer::Roll() {
  const uint64_t base = next_offset_.load(std::memory_order_relaxed);
  const std::string name = SegmentName(base);
  ASSIGN_OR_RETURN(std::shared_ptr<File> file,
                   dependencies_.fs->Create(JoinPath(options_.dir, name)));
  active_.segment->Seal();
  if (active_unsynced_) sealed_unsynced_.push_back(active_.file);
  active_.file = std::move(file);
  active_.segment = std::make_shared<Segment>(name, base, Segment::Extent{0, base, false});
  active_bytes_ = 0;
  active_unsynced_ = false;
  directory_unsynced_ = true;
  segments_->Add(active_.segment);
  return absl::OkStatus();
}

std::string Writer::FullReason(uint64_t bytes) {
  if (std::string reason = retention_->FullReason(bytes); !reason.empty()) return reason;
  const bool blocked = blocked_.load(std::memory_order_relaxed);
  if (!blocked && bytes_since_check_ < kRoomCheckBytes) return "";
  bytes_since_check_ = 0;
  const auto free = dependencies_.fs->FreeBytes(options_.dir);
  // Where the file system cannot say, the write will.
  if (!free.ok()) return "";
  const uint64_t low_water = options_.min_free_bytes;
  const uint64_t margin = blocked ? low_water / kResumeFraction : 0;
  if (*free >= low_water + margin + bytes) return "";
  return absl::StrCat("disk almost full: ", FormatBytes(*free), " free in ", options_.dir,
                      ", of which ", FormatBytes(low_water), " are left alone");
}

absl::optional<JournalEvent> Writer::SetBlocked(std::string reason) {
  const bool was_blocked = blocked_.exchange(!reason.empty(), std::memory_order_relaxed);
  const bool is_blocked = !reason.empty();
  if (is_blocked || was_blocked) blocked_reason_ = std::move(reason);
  const uint64_t end = next_offset_.load(std::memory_order_relaxed);
  if (is_blocked && !was_blocked) {
    return JournalEvent{JournalEvent::Type::kBlocked, end, end, blocked_reason_};
  }
  if (!is_blocked && was_blocked) {
    return JournalEvent{JournalEvent::Type::kResumed, end, end, "there is room again"};
  }
  return absl::nullopt;
}

std::string Writer::BlockedReason() {
  absl::optional<JournalEvent> event;
  std::string result;
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return std::string(failure_.message());
    if (!blocked_.load(std::memory_order_relaxed)) return "";
    // What a write has said only a write can take back; our own limits are looked at again.
    if (!blocked_by_write_) event = SetBlocked(FullReason(blocked_bytes_));
    result = blocked_reason_;
  }
  if (event) segments_->Emit(*event);
  return result;
}

Writer::Unsynced Writer::TakeUnsynced() {
  absl::MutexLock lock(&mutex_);
  Unsynced unsynced;
  unsynced.end_offset = next_offset_.load(std::memory_order_relaxed);
  unsynced.files = std::move(sealed_unsynced_);
  sealed_unsynced_.clear();
  if (std::exchange(active_unsynced_, false)) unsynced.files.push_back(active_.file);
  unsynced.directory = std::exchange(directory_unsynced_, false);
  return unsynced;
}

void Writer::RollIfBefore(int64_t time_ns) {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok() || active_bytes_ == 0) return;
    const auto times = active_.segment->FirstTimes(*dependencies_.fs, options_.dir);
    if (!times || times->time_ns >= time_ns) return;
    status = Roll();
  }
  if (!status.ok() && !IsFull(status)) Fail(status);
}

void Writer::Fail(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return;
    failure_ = absl::Status(status.code(), absl::StrCat("journal failed: ", status.message()));
    // An error must not look like a full disk, which may be tried again.
    if (IsFull(failure_)) failure_ = absl::DataLossError(failure_.message());
    // As far as the disk lets us. When it does not, the next process fails in the same place.
    absl::Status sealed = active_bytes_ > 0 ? Roll() : absl::OkStatus();
    if (sealed.ok()) sealed = dependencies_.fs->SyncDirectory(options_.dir);
    if (!sealed.ok()) spdlog::warn("journal: cannot seal the failed segment: {}", sealed);
  }
  const uint64_t end = next_offset();
  segments_->Emit({JournalEvent::Type::kFailed, end, end, std::string(status.message())});
}

absl::Status Writer::failure() const {
  absl::MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace center::journal
