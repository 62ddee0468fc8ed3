#include "services/worker/journal/tools.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/worker/journal/damage.h"
#include "services/worker/journal/layout.h"
#include "services/worker/journal/scanner.h"

namespace center::journal {
namespace {

Damage::Kind KindOf(Scanner::Kind kind) {
  switch (kind) {
    case Scanner::Kind::kPayloadDamage:
      return Damage::Kind::kPayload;
    case Scanner::Kind::kMissing:
      return Damage::Kind::kMissing;
    case Scanner::Kind::kIncompleteTail:
      return Damage::Kind::kIncompleteTail;
    default:
      return Damage::Kind::kHeader;
  }
}

Damage ToDamage(const std::string& segment, const Scanner::Item& item) {
  return {KindOf(item.kind),
          segment,
          item.position,
          item.bytes,
          item.from,
          item.to,
          DescribeDamage(segment, item)};
}

// Walks through all segments from the one that holds `from`, in order, and calls
// visit(segment name, item) for every item but kEnd, until it returns false.
using Visitor = std::function<bool(const std::string& segment, const Scanner::Item& item)>;

absl::Status Walk(const FileSystem& fs, const std::string& dir, const Layout& layout, uint64_t from,
                  const Visitor& visit) {
  const auto& files = layout.segments;
  for (size_t i = 0; i < files.size(); ++i) {
    absl::optional<uint64_t> end_offset;
    if (i + 1 < files.size()) end_offset = files[i + 1].base_offset;
    if (end_offset && *end_offset <= from) continue;
    const auto file = fs.OpenForRead(JoinPath(dir, files[i].name));
    // A running worker's retention may have deleted it since the folder was listed.
    if (absl::IsNotFound(file.status())) continue;
    if (!file.ok()) return file.status();
    ASSIGN_OR_RETURN(const uint64_t bytes, (*file)->Size());
    Scanner scanner(file->get(), {0, bytes, files[i].base_offset, end_offset});
    for (;;) {
      ASSIGN_OR_RETURN(const Scanner::Item item, scanner.Next());
      if (item.kind == Scanner::Kind::kEnd) break;
      if (!visit(files[i].name, item)) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Layout> ReadJournal(const FileSystem& fs, const std::string& dir) {
  ASSIGN_OR_RETURN(Layout layout, ReadLayout(fs, dir));
  if (layout.segments.empty() && !layout.has_low) {
    return absl::NotFoundError(absl::StrCat(dir, " holds no journal (no *.seg files)"));
  }
  return layout;
}

absl::StatusOr<uint64_t> SegmentBytes(const FileSystem& fs, const std::string& dir,
                                      const Layout& layout) {
  uint64_t bytes = 0;
  for (const auto& segment : layout.segments) {
    const auto file = fs.OpenForRead(JoinPath(dir, segment.name));
    if (absl::IsNotFound(file.status())) continue;
    if (!file.ok()) return file.status();
    ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
    bytes += size;
  }
  return bytes;
}

// Takes the damage out of one segment.
class SegmentRepair {
 public:
  SegmentRepair(FileSystem& fs, const std::string& dir, RepairReport* report)
      : fs_(fs), dir_(dir), report_(report) {}

  absl::Status Repair(const std::string& name, uint64_t base, absl::optional<uint64_t> end_offset) {
    ASSIGN_OR_RETURN(const auto file, fs_.OpenForWrite(JoinPath(dir_, name)));
    ASSIGN_OR_RETURN(uint64_t bytes, file->Size());
    Scanner scanner(file.get(), {0, bytes, base, end_offset});
    std::vector<Scanner::Item> damages;
    for (;;) {
      ASSIGN_OR_RETURN(const Scanner::Item item, scanner.Next());
      if (item.kind == Scanner::Kind::kEnd) break;
      if (item.kind == Scanner::Kind::kIncompleteTail) {
        RETURN_IF_ERROR(file->Truncate(item.position));
        RETURN_IF_ERROR(file->Sync());
        report_->truncated_bytes += item.bytes;
        bytes = item.position;
      } else if (item.kind != Scanner::Kind::kRecord && item.bytes > 0) {
        damages.push_back(item);
      }
    }
    return damages.empty() ? absl::OkStatus() : Rewrite(name, *file, damages, bytes);
  }

 private:
  absl::Status Rewrite(const std::string& name, const File& file,
                       const std::vector<Scanner::Item>& damages, uint64_t bytes) {
    for (const Scanner::Item& item : damages) {
      ASSIGN_OR_RETURN(std::string kept, KeepAside(fs_, dir_, name, file, item.position, item.bytes,
                                                   std::numeric_limits<size_t>::max()));
      report_->corrupt_files.push_back(std::move(kept));
    }
    const std::string path = JoinPath(dir_, name);
    const std::string temporary = absl::StrCat(path, kTemporarySuffix);
    absl::Status removed = fs_.Remove(temporary);
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
    ASSIGN_OR_RETURN(const auto copy, fs_.Create(temporary));
    uint64_t from = 0;
    uint64_t to = 0;
    for (const Scanner::Item& item : damages) {
      RETURN_IF_ERROR(CopyRange(file, from, item.position - from, *copy, to));
      to += item.position - from;
      from = item.position + item.bytes;
    }
    RETURN_IF_ERROR(CopyRange(file, from, bytes - from, *copy, to));
    RETURN_IF_ERROR(copy->Sync());
    RETURN_IF_ERROR(fs_.Rename(temporary, path));
    ++report_->rewritten_segments;
    return fs_.SyncDirectory(dir_);
  }

  FileSystem& fs_;
  const std::string& dir_;
  RepairReport* const report_;
};

// Offsets that were lost at the very end of the last segment are not given out again: the journal
// goes on in a segment whose name says where. It is made before the damage is taken out, so that no
// crash in between forgets them. Returns where it begins, or nullopt when there is no such damage.
absl::StatusOr<absl::optional<uint64_t>> BeginBehindDamage(FileSystem& fs, const std::string& dir,
                                                           const Layout::SegmentFile& last) {
  ASSIGN_OR_RETURN(const auto file, fs.OpenForRead(JoinPath(dir, last.name)));
  ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
  Scanner scanner(file.get(), {0, bytes, last.base_offset, absl::nullopt});
  uint64_t intact_end = last.base_offset;
  for (;;) {
    ASSIGN_OR_RETURN(const Scanner::Item item, scanner.Next());
    if (item.kind == Scanner::Kind::kEnd) break;
    if (item.kind == Scanner::Kind::kRecord) intact_end = item.to;
  }
  const uint64_t end = scanner.expected_offset();
  if (end == intact_end) return absl::optional<uint64_t>();
  RETURN_IF_ERROR(fs.Create(JoinPath(dir, SegmentName(end))).status());
  RETURN_IF_ERROR(fs.SyncDirectory(dir));
  return absl::optional<uint64_t>(end);
}

}  // namespace

bool VerifyReport::ok() const {
  return std::none_of(damages.begin(), damages.end(), [](const Damage& damage) {
    return damage.kind == Damage::Kind::kHeader || damage.kind == Damage::Kind::kPayload;
  });
}

absl::StatusOr<VerifyReport> Verify(const std::string& dir, FileSystem& fs) {
  ASSIGN_OR_RETURN(const Layout layout, ReadJournal(fs, dir));
  VerifyReport report;
  const auto low = ReadLowOffset(fs, dir);
  if (!low.ok() && !absl::IsDataLoss(low.status())) return low.status();
  if (!low.ok()) {
    report.damages.push_back({Damage::Kind::kMissing, std::string(kLowName), 0, 0, 0, 0,
                              std::string(low.status().message())});
  }
  report.first_offset = low.value_or(0);
  report.end_offset = report.first_offset;
  report.segments = layout.segments.size();
  report.corrupt_files = layout.corrupt.size();
  if (!layout.segments.empty()) {
    report.first_offset = std::max(report.first_offset, layout.segments.front().base_offset);
    report.end_offset = std::max(report.end_offset, layout.segments.back().base_offset);
  }
  ASSIGN_OR_RETURN(report.bytes, SegmentBytes(fs, dir, layout));
  RETURN_IF_ERROR(Walk(fs, dir, layout, report.first_offset,
                       [&](const std::string& segment, const Scanner::Item& item) {
                         report.end_offset = std::max(report.end_offset, item.to);
                         if (item.kind == Scanner::Kind::kRecord) {
                           ++report.records;
                           report.payloads += item.header.count;
                         } else {
                           report.damages.push_back(ToDamage(segment, item));
                           report.lost_payloads += item.to - item.from;
                         }
                         return true;
                       }));
  return report;
}

absl::Status Dump(const std::string& dir, uint64_t from,
                  const std::function<bool(const DumpRecord&)>& on_record,
                  const std::function<void(const Damage&)>& on_damage, FileSystem& fs) {
  ASSIGN_OR_RETURN(const Layout layout, ReadJournal(fs, dir));
  return Walk(fs, dir, layout, from, [&](const std::string& segment, const Scanner::Item& item) {
    if (item.to <= from) return true;
    if (item.kind == Scanner::Kind::kRecord) {
      return on_record({segment, item.position, item.from, item.header.count, item.header.time_ns,
                        item.payload});
    }
    if (on_damage) on_damage(ToDamage(segment, item));
    return true;
  });
}

absl::StatusOr<RepairReport> Repair(const std::string& dir, FileSystem& fs) {
  RETURN_IF_ERROR(ReadJournal(fs, dir).status());
  ASSIGN_OR_RETURN(const auto lock, fs.Lock(JoinPath(dir, kLockName)));
  RepairReport report;
  ASSIGN_OR_RETURN(report.before, Verify(dir, fs));
  ASSIGN_OR_RETURN(const Layout layout, ReadJournal(fs, dir));
  const auto& files = layout.segments;
  SegmentRepair repair(fs, dir, &report);
  for (size_t i = 0; i < files.size(); ++i) {
    absl::optional<uint64_t> end_offset;
    if (i + 1 < files.size()) end_offset = files[i + 1].base_offset;
    if (!end_offset) {
      ASSIGN_OR_RETURN(end_offset, BeginBehindDamage(fs, dir, files[i]));
    }
    RETURN_IF_ERROR(repair.Repair(files[i].name, files[i].base_offset, end_offset));
  }
  return report;
}

}  // namespace center::journal
