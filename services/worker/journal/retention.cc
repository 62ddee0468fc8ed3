#include "services/worker/journal/retention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"
#include "services/worker/journal/layout.h"

namespace center::journal {
namespace {

// How far beyond its size the journal may grow while deleting is late: by as much again, and if it
// is small, by this.
constexpr uint64_t kOvershootBytesMin = 1 << 20;

}  // namespace

void Retention::SetCommittedOffset(absl::optional<uint64_t> offset) {
  absl::MutexLock lock(&mutex_);
  committed_ = offset;
}

absl::optional<uint64_t> Retention::committed() const {
  absl::MutexLock lock(&mutex_);
  return committed_;
}

bool Retention::MayDrop(uint64_t end_offset) const {
  if (options_.overflow == Overflow::kDropOldest) return true;
  const auto committed_offset = committed();
  return !committed_offset || end_offset <= *committed_offset;
}

std::string Retention::FullReason(uint64_t bytes) const {
  if (options_.retain_bytes == 0) return "";
  const uint64_t stored = segments_->disk_bytes();
  if (stored + bytes <= options_.retain_bytes) return "";
  // With a single segment there is nothing to delete yet: it is sealed before it outgrows its size.
  if (segments_->size() == 1) return "";
  const uint64_t end = segments_->Oldest()->extent().end_offset;
  if (MayDrop(end)) {
    // Enforce is about to make room. While a slow disk keeps it from that, the journal must not
    // grow without end.
    const uint64_t overshoot = std::max(options_.retain_bytes, kOvershootBytesMin);
    if (stored <= options_.retain_bytes || stored - options_.retain_bytes <= overshoot) return "";
    return absl::StrCat("journal full: ", FormatBytes(stored), " of ",
                        FormatBytes(options_.retain_bytes),
                        ", because the disk is slow to sync and to delete");
  }
  return absl::StrCat("journal full: ", FormatBytes(stored), " of ",
                      FormatBytes(options_.retain_bytes),
                      " hold payloads that a subscription has not committed (committed up to ",
                      committed().value_or(0), ", the oldest segment ends at ", end,
                      "); commit or delete the subscription, raise --retain-bytes, or use "
                      "--overflow drop-oldest");
}

int64_t Retention::NewestTime(const Segment& segment, Segment& next) const {
  if (const auto last = segment.LastTime()) return *last;
  // Written by an earlier process: what was received next bounds it.
  const auto times = next.FirstTimes(*dependencies_.fs, segments_->directory());
  return times ? times->time_ns : std::numeric_limits<int64_t>::max();
}

absl::Status Retention::Enforce() {
  const std::vector<std::shared_ptr<Segment>> all = segments_->All();
  const auto committed_offset = committed();
  uint64_t stored = segments_->disk_bytes();
  const int64_t oldest_time =
      dependencies_.clock->WallNanos() - absl::ToInt64Nanoseconds(options_.retain_age);
  JournalEvent dropped{JournalEvent::Type::kDropped};
  size_t count = 0;
  for (; count + 1 < all.size(); ++count) {
    const Segment::Extent extent = all[count]->extent();
    const bool too_big = options_.retain_bytes > 0 && stored > options_.retain_bytes;
    bool too_old = false;
    if (!too_big && options_.retain_age > absl::ZeroDuration()) {
      too_old = NewestTime(*all[count], *all[count + 1]) < oldest_time;
    }
    if ((!too_big && !too_old) || !MayDrop(extent.end_offset)) break;
    if (committed_offset && extent.end_offset > *committed_offset) {
      if (dropped.to == 0) dropped.from = std::max(all[count]->base_offset(), *committed_offset);
      dropped.to = extent.end_offset;
    }
    stored -= std::min(stored, extent.bytes);
  }
  if (count == 0) return absl::OkStatus();

  const uint64_t low = all[count]->base_offset();
  absl::Status written = WriteLowOffset(*dependencies_.fs, segments_->directory(), low);
  // On a full disk the small file cannot be written, and only deleting makes room. Without it the
  // first segment's name says the same.
  if (!written.ok() && !IsFull(written)) return written;
  segments_->set_first_offset(low);
  segments_->DropOldest(count);
  absl::Status status;
  for (size_t i = 0; i < count; ++i) {
    segments_->SubtractDiskBytes(all[i]->extent().bytes);
    // A file that stays is below the low offset: the next Open tries again.
    const absl::Status removed = dependencies_.fs->Remove(segments_->PathOf(*all[i]));
    if (!absl::IsNotFound(removed)) status.Update(removed);
  }
  if (dropped.to > 0) {
    dropped.detail = absl::StrCat("deleted by --overflow drop-oldest before it was committed: [",
                                  dropped.from, ", ", dropped.to, ")");
    segments_->Emit(dropped);
  }
  return status;
}

}  // namespace center::journal
