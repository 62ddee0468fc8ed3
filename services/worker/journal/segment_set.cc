#include "services/worker/journal/segment_set.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/worker/journal/damage.h"
#include "services/worker/journal/layout.h"

namespace center::journal {
namespace {

// A reader scans at most about this much to find its first record.
constexpr uint64_t kPlaceDistanceBytes = 256 << 10;

}  // namespace

Segment::Extent Segment::extent() const {
  absl::MutexLock lock(&mutex_);
  return extent_;
}

void Segment::Grow(uint64_t bytes, uint64_t end_offset) {
  absl::MutexLock lock(&mutex_);
  if (places_.empty() || extent_.bytes - places_.back().position >= kPlaceDistanceBytes) {
    places_.push_back({extent_.bytes, extent_.end_offset});
  }
  extent_.bytes += bytes;
  extent_.end_offset = end_offset;
}

void Segment::NotePlace(Place place) {
  absl::MutexLock lock(&mutex_);
  if (places_.empty() || place.position - places_.back().position >= kPlaceDistanceBytes) {
    places_.push_back(place);
  }
}

void Segment::Seal() {
  absl::MutexLock lock(&mutex_);
  extent_.sealed = true;
}

Segment::Place Segment::Locate(uint64_t offset) const {
  absl::MutexLock lock(&mutex_);
  auto after = std::upper_bound(places_.begin(), places_.end(), offset,
                                [](uint64_t o, const Place& place) { return o < place.offset; });
  if (after == places_.begin()) return {0, base_offset_};
  return *std::prev(after);
}

absl::optional<Segment::Times> Segment::FirstTimes(const FileSystem& fs,
                                                   const std::string& directory) {
  {
    absl::MutexLock lock(&mutex_);
    if (first_times_ || extent_.bytes == 0) return first_times_;
  }
  const auto file = fs.OpenForRead(JoinPath(directory, name_));
  if (!file.ok()) return absl::nullopt;
  char bytes[kHeaderBytes];
  const auto size = (*file)->ReadAt(0, bytes, sizeof bytes);
  if (!size.ok()) return absl::nullopt;
  const auto header = DecodeHeader({bytes, *size});
  if (!header) return absl::nullopt;
  absl::MutexLock lock(&mutex_);
  first_times_ = Times{header->time_ns, header->max_time_ns};
  return first_times_;
}

absl::optional<int64_t> Segment::LastTime() const {
  absl::MutexLock lock(&mutex_);
  return last_time_;
}

void Segment::NoteTimes(Times times) {
  absl::MutexLock lock(&mutex_);
  if (!first_times_) first_times_ = times;
  last_time_ = times.time_ns;
}

std::string SegmentSet::PathOf(const Segment& segment) const {
  return JoinPath(directory_, segment.name());
}

void SegmentSet::Add(std::shared_ptr<Segment> segment) {
  absl::MutexLock lock(&mutex_);
  segments_.push_back(std::move(segment));
}

void SegmentSet::DropOldest(size_t count) {
  absl::MutexLock lock(&mutex_);
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(count));
}

std::shared_ptr<Segment> SegmentSet::Find(uint64_t offset) const {
  absl::MutexLock lock(&mutex_);
  auto after =
      std::upper_bound(segments_.begin(), segments_.end(), offset,
                       [](uint64_t o, const auto& segment) { return o < segment->base_offset(); });
  if (after == segments_.begin()) return nullptr;
  return *std::prev(after);
}

std::vector<std::shared_ptr<Segment>> SegmentSet::All() const {
  absl::MutexLock lock(&mutex_);
  return {segments_.begin(), segments_.end()};
}

std::shared_ptr<Segment> SegmentSet::Oldest() const {
  absl::MutexLock lock(&mutex_);
  return segments_.front();
}

size_t SegmentSet::size() const {
  absl::MutexLock lock(&mutex_);
  return segments_.size();
}

void SegmentSet::Emit(const JournalEvent& event) {
  if (!on_event_) return;
  absl::MutexLock lock(&event_mutex_);
  on_event_(event);
}

std::string SegmentSet::ReportDamage(const Segment& segment, const File& file,
                                     const Scanner::Item& item) {
  std::string detail = DescribeDamage(segment.name(), item);
  absl::MutexLock lock(&damage_mutex_);
  if (!reported_.insert({segment.base_offset(), item.position}).second) return detail;
  corrupt_records_.fetch_add(1, std::memory_order_relaxed);
  if (item.bytes > 0) {
    const auto kept = KeepAside(*fs_, directory_, segment.name(), file, item.position, item.bytes);
    absl::StrAppend(&detail, kept.ok() ? absl::StrCat("; kept as ", *kept)
                                       : absl::StrCat("; not copied: ", kept.status().message()));
  }
  Emit({JournalEvent::Type::kCorruption, item.from, item.to, detail});
  return detail;
}

}  // namespace center::journal
