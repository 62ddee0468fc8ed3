#include "services/worker/journal/journal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/worker/journal/layout.h"
#include "services/worker/journal/maintenance.h"
#include "services/worker/journal/record.h"
#include "services/worker/journal/recovery.h"
#include "services/worker/journal/retention.h"
#include "services/worker/journal/scanner.h"
#include "services/worker/journal/segment_set.h"
#include "services/worker/journal/writer.h"

namespace center::journal {
namespace {

// Retention deletes whole segments: with fewer than this many it could keep nothing worth keeping.
constexpr uint64_t kSegmentsMin = 4;
constexpr size_t kTimeSeekWindowBytes = 16 << 10;

absl::Status Check(const Options& options, const Dependencies& dependencies) {
  if (options.dir.empty()) return absl::InvalidArgumentError("the journal needs a folder");
  if (options.segment_bytes == 0) {
    return absl::InvalidArgumentError("--segment-bytes must be positive");
  }
  if (options.sync_interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--sync-interval must be positive");
  }
  if (options.retain_age < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--retain-age must not be negative");
  }
  if (dependencies.fs == nullptr || dependencies.clock == nullptr) {
    return absl::InvalidArgumentError("the journal needs a file system and a clock");
  }
  return absl::OkStatus();
}

Options Clamp(Options options) {
  if (options.retain_bytes > 0) {
    options.segment_bytes =
        std::min(options.segment_bytes, std::max<uint64_t>(1, options.retain_bytes / kSegmentsMin));
  }
  return options;
}

}  // namespace

Journal::Journal(Options options, Dependencies dependencies)
    : options_(Clamp(std::move(options))), dependencies_(std::move(dependencies)) {}

Journal::~Journal() = default;

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(Options options, Dependencies dependencies) {
  RETURN_IF_ERROR(Check(options, dependencies));
  // Not make_unique: the constructor is private.
  std::unique_ptr<Journal> journal(new Journal(std::move(options), std::move(dependencies)));
  RETURN_IF_ERROR(journal->Start());
  return journal;
}

absl::Status Journal::Start() {
  FileSystem& fs = *dependencies_.fs;
  RETURN_IF_ERROR(fs.CreateDirectories(options_.dir));
  ASSIGN_OR_RETURN(lock_, fs.Lock(JoinPath(options_.dir, kLockName)));
  segments_ = std::make_shared<SegmentSet>(&fs, options_.dir, dependencies_.on_event);
  ASSIGN_OR_RETURN(Recovered recovered, Recover(options_, dependencies_, segments_));
  if (options_.durability == Durability::kSynced) {
    // What readers see must survive a power loss, also what the process before this one wrote last.
    for (const std::string& name : recovered.sealed) {
      RETURN_IF_ERROR(SyncExisting(fs, JoinPath(options_.dir, name)));
    }
    recovered.sealed.clear();
    RETURN_IF_ERROR(recovered.active.file->Sync());
    RETURN_IF_ERROR(fs.SyncDirectory(options_.dir));
    segments_->set_synced_end(segments_->visible_end());
  }
  retention_ = std::make_unique<Retention>(options_, dependencies_, segments_);
  writer_ = std::make_unique<Writer>(options_, dependencies_, retention_.get(), segments_,
                                     std::move(recovered.active));
  maintenance_ =
      std::make_unique<Maintenance>(options_, dependencies_, writer_.get(), retention_.get(),
                                    segments_, std::move(recovered.sealed));
  return absl::OkStatus();
}

uint64_t Journal::next_offset() const { return writer_->next_offset(); }

absl::Status Journal::Append(absl::Span<const Record> records) {
  RETURN_IF_ERROR(writer_->Append(records));
  if (options_.durability == Durability::kWritten) {
    const uint64_t end = writer_->next_offset();
    segments_->set_visible_end(end);
    if (dependencies_.on_visible) dependencies_.on_visible(end);
  }
  maintenance_->Notify();
  return absl::OkStatus();
}

std::string Journal::BlockedReason() const { return writer_->BlockedReason(); }

void Journal::SetCommittedOffset(absl::optional<uint64_t> offset) {
  retention_->SetCommittedOffset(offset);
  if (retention_->OverSize()) maintenance_->NotifyRetention();
}

uint64_t Journal::first_offset() const { return segments_->first_offset(); }
uint64_t Journal::visible_end() const { return segments_->visible_end(); }
uint64_t Journal::synced_end() const { return segments_->synced_end(); }
uint64_t Journal::disk_bytes() const { return segments_->disk_bytes(); }
uint64_t Journal::corrupt_records() const { return segments_->corrupt_records(); }

SyncStats Journal::sync_stats() const { return maintenance_->sync_stats(); }

absl::StatusOr<uint64_t> Journal::OffsetAtTime(int64_t time_ns) const {
  // max_time_ns never decreases, so the first record received at or after a time is the first whose
  // max_time_ns is: in the last segment that begins before it, or at the next one's beginning.
  const uint64_t visible_end = segments_->visible_end();
  const auto all = segments_->All();
  size_t i = all.size();
  while (i > 0) {
    const auto times = all[i - 1]->FirstTimes(*dependencies_.fs, options_.dir);
    if (times && times->max_time_ns < time_ns) break;
    --i;
  }
  if (i == 0) return std::max(segments_->first_offset(), all.front()->base_offset());
  const Segment& segment = *all[i - 1];
  const Segment::Extent extent = segment.extent();
  auto file = dependencies_.fs->OpenForRead(segments_->PathOf(segment));
  if (absl::IsNotFound(file.status())) return segments_->first_offset();  // deleted just now
  if (!file.ok()) return file.status();
  FileWindow window(file->get(), kTimeSeekWindowBytes);
  uint64_t offset = segment.base_offset();
  for (uint64_t position = 0; position + kHeaderBytes <= extent.bytes;) {
    ASSIGN_OR_RETURN(const absl::string_view bytes, window.At(position, kHeaderBytes));
    const auto header = DecodeHeader(bytes);
    // Behind damage the times are not known: a reader starts with the gap.
    if (!header || header->base_offset != offset || header->max_time_ns >= time_ns) {
      return std::min(offset, visible_end);
    }
    position += header->record_bytes();
    offset = header->end_offset();
  }
  return std::min(extent.end_offset, visible_end);
}

std::unique_ptr<Reader> Journal::NewReader(uint64_t offset) const {
  return std::make_unique<Reader>(segments_, dependencies_.fs, offset);
}

absl::Status Journal::Flush() { return maintenance_->AwaitSynced(writer_->next_offset()); }

}  // namespace center::journal
