#include "services/worker/journal/recovery.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/worker/journal/damage.h"
#include "services/worker/journal/layout.h"
#include "services/worker/journal/scanner.h"

namespace center::journal {
namespace {

// Removes what a crash left half-done: temporary files, and segments below the low offset.
absl::Status FinishDeletions(const Options& options, FileSystem& fs, uint64_t low, Layout* layout) {
  for (const std::string& name : layout->temporary) {
    RETURN_IF_ERROR(fs.Remove(JoinPath(options.dir, name)));
  }
  auto& files = layout->segments;
  while (files.size() > 1 && files[1].base_offset <= low) {
    RETURN_IF_ERROR(fs.Remove(JoinPath(options.dir, files[0].name)));
    files.erase(files.begin());
  }
  return absl::OkStatus();
}

absl::StatusOr<Writer::Active> BeginSegment(const Options& options, FileSystem& fs, uint64_t base,
                                            SegmentSet& segments) {
  Writer::Active active;
  const std::string name = SegmentName(base);
  ASSIGN_OR_RETURN(active.file, fs.Create(JoinPath(options.dir, name)));
  active.segment = std::make_shared<Segment>(name, base, Segment::Extent{0, base, false});
  segments.Add(active.segment);
  return active;
}

// Adds a segment that is known to end where the next one begins.
absl::Status AddSealed(const Options& options, FileSystem& fs, const Layout::SegmentFile& file,
                       uint64_t end_offset, SegmentSet& segments) {
  ASSIGN_OR_RETURN(const auto opened, fs.OpenForRead(JoinPath(options.dir, file.name)));
  ASSIGN_OR_RETURN(const uint64_t bytes, opened->Size());
  segments.Add(std::make_shared<Segment>(file.name, file.base_offset,
                                         Segment::Extent{bytes, end_offset, true}));
  segments.AddDiskBytes(bytes);
  return absl::OkStatus();
}

// The last segment: read as a whole.
class LastSegment {
 public:
  LastSegment(const Options& options, FileSystem& fs, SegmentSet& segments)
      : options_(options), fs_(fs), segments_(segments) {}

  absl::StatusOr<Writer::Active> Recover(const Layout::SegmentFile& file) {
    ASSIGN_OR_RETURN(active_.file, fs_.OpenForWrite(JoinPath(options_.dir, file.name)));
    active_.segment = std::make_shared<Segment>(file.name, file.base_offset,
                                                Segment::Extent{0, file.base_offset, false});
    RETURN_IF_ERROR(Scan());
    if (truncate_to_) RETURN_IF_ERROR(CutTail());
    // The next segment needs a name of its own, also when nothing but damage was found here.
    if (damaged_) end_offset_ = std::max(end_offset_, file.base_offset + 1);
    active_.segment->Grow(bytes_, end_offset_);
    segments_.Add(active_.segment);
    segments_.AddDiskBytes(bytes_);
    if (!damaged_) return active_;
    // What stands here stays as it is, for dump and repair; nothing is appended behind it.
    RETURN_IF_ERROR(active_.file->Sync());
    active_.segment->Seal();
    ASSIGN_OR_RETURN(Writer::Active next, BeginSegment(options_, fs_, end_offset_, segments_));
    next.max_time_ns = active_.max_time_ns;
    return next;
  }

 private:
  absl::Status Scan() {
    ASSIGN_OR_RETURN(bytes_, active_.file->Size());
    Scanner scanner(active_.file.get(), {0, bytes_, active_.segment->base_offset(), absl::nullopt});
    for (;;) {
      ASSIGN_OR_RETURN(const Scanner::Item item, scanner.Next());
      end_offset_ = item.to;
      switch (item.kind) {
        case Scanner::Kind::kRecord:
          active_.segment->NotePlace({item.position, item.from});
          active_.segment->NoteTimes({item.header.time_ns, item.header.max_time_ns});
          active_.max_time_ns = item.header.max_time_ns;
          break;
        case Scanner::Kind::kPayloadDamage:
        case Scanner::Kind::kHeaderDamage:
          damaged_ = true;
          segments_.ReportDamage(*active_.segment, *active_.file, item);
          break;
        case Scanner::Kind::kMissing:
          break;  // a repaired segment: readers report the gap
        case Scanner::Kind::kIncompleteTail:
          truncate_to_ = item.position;
          break;
        case Scanner::Kind::kEnd:
          return absl::OkStatus();
      }
    }
  }

  absl::Status CutTail() {
    RETURN_IF_ERROR(active_.file->Truncate(*truncate_to_));
    segments_.Emit({JournalEvent::Type::kTailTruncated, end_offset_, end_offset_,
                    absl::StrCat(active_.segment->name(), ": cut off an incomplete record at byte ",
                                 *truncate_to_, " (", bytes_ - *truncate_to_, " bytes)")});
    bytes_ = *truncate_to_;
    return absl::OkStatus();
  }

  const Options& options_;
  FileSystem& fs_;
  SegmentSet& segments_;
  Writer::Active active_;
  uint64_t bytes_ = 0;
  uint64_t end_offset_ = 0;
  bool damaged_ = false;
  absl::optional<uint64_t> truncate_to_;
};

absl::StatusOr<uint64_t> LowOffset(const Options& options, const Dependencies& dependencies,
                                   SegmentSet& segments) {
  auto low = ReadLowOffset(*dependencies.fs, options.dir);
  if (!absl::IsDataLoss(low.status())) return low;
  // The first segment's name says the same: losing this file loses nothing.
  segments.Emit({JournalEvent::Type::kCorruption, 0, 0, std::string(low.status().message())});
  return 0;
}

}  // namespace

absl::StatusOr<Recovered> Recover(const Options& options, const Dependencies& dependencies,
                                  const std::shared_ptr<SegmentSet>& segments) {
  FileSystem& fs = *dependencies.fs;
  ASSIGN_OR_RETURN(const uint64_t low, LowOffset(options, dependencies, *segments));
  ASSIGN_OR_RETURN(Layout layout, ReadLayout(fs, options.dir));
  RETURN_IF_ERROR(FinishDeletions(options, fs, low, &layout));
  Recovered recovered;
  const auto& files = layout.segments;
  if (files.empty()) {
    ASSIGN_OR_RETURN(recovered.active, BeginSegment(options, fs, low, *segments));
    segments->set_first_offset(low);
  } else {
    for (size_t i = 0; i + 1 < files.size(); ++i) {
      RETURN_IF_ERROR(AddSealed(options, fs, files[i], files[i + 1].base_offset, *segments));
    }
    LastSegment last(options, fs, *segments);
    ASSIGN_OR_RETURN(recovered.active, last.Recover(files.back()));
    segments->set_first_offset(std::max(low, files.front().base_offset));
  }
  for (const auto& segment : segments->All()) {
    if (segment != recovered.active.segment) recovered.sealed.push_back(segment->name());
  }
  segments->set_visible_end(recovered.active.segment->extent().end_offset);
  segments->set_synced_end(segments->first_offset());
  return recovered;
}

}  // namespace center::journal
