// What an earlier coordinator left.
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/coordinator/jobs/job_store.h"

namespace center::jobs {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

// Job ids, and the first indexes of their segments.
struct Names {
  std::vector<JobId> jobs;
  std::map<JobId, std::vector<uint64_t>> segments;
};

void AddName(absl::string_view name, Names* names) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  JobId id = 0;
  uint64_t first = 0;
  if (parts.size() < 2 || !absl::ConsumePrefix(&name, "j") ||
      !absl::SimpleAtoi(parts[0].substr(1), &id)) {
    return;
  }
  if (parts.size() == 2 && parts[1] == "job") names->jobs.push_back(id);
  if (parts.size() == 3 && parts[1] == "in" && absl::SimpleAtoi(parts[2], &first)) {
    names->segments[id].push_back(first);
  }
}

absl::StatusOr<Names> ListDir(const std::string& path) {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(path.c_str()));
  if (dir == nullptr) return ErrnoStatus(errno, absl::StrCat("open ", path));
  Names names;
  while (const dirent* entry = ::readdir(dir.get())) AddName(entry->d_name, &names);
  std::sort(names.jobs.begin(), names.jobs.end());
  for (auto& [id, segments] : names.segments) std::sort(segments.begin(), segments.end());
  return names;
}

}  // namespace

absl::Status JobStore::Scan() {
  ASSIGN_OR_RETURN(Names names, ListDir(options_.dir));
  for (const JobId id : names.jobs) {
    RETURN_IF_ERROR(ScanJob(id, names.segments[id]));
    names.segments.erase(id);
  }
  // Segments whose job is gone: their removal was interrupted.
  for (const auto& [id, segments] : names.segments) {
    for (const uint64_t first : segments) RemoveFile(SegmentPath(id, first), 0);
  }
  return absl::OkStatus();
}

absl::Status JobStore::ScanJob(JobId id, const std::vector<uint64_t>& segments) {
  const std::string path = JobPath(id);
  ASSIGN_OR_RETURN(const ScannedFile scanned, ScanJobFile(path));
  if (scanned.records.empty() || scanned.records[0].header.type != RecordType::kJob) {
    // Nobody was told of a job that was not written whole. Anything else deserves a look.
    if (scanned.size == 0) {
      RemoveFile(path, 0);
    } else {
      spdlog::error("{} does not begin with a job: it is put aside", path);
      if (::rename(path.c_str(), absl::StrCat(path, ".damaged").c_str()) != 0) {
        return ErrnoStatus(errno, absl::StrCat("rename ", path));
      }
    }
    for (const uint64_t first : segments) RemoveFile(SegmentPath(id, first), 0);
    return absl::OkStatus();
  }
  StoredJob job{.id = id};
  for (const FoundRecord& record : scanned.records) {
    const RecordHeader& header = record.header;
    RecordHeader unused;
    if (header.type == RecordType::kJob) {
      ASSIGN_OR_RETURN(job.meta, ReadRecord(path, record.offset, &unused));
    } else if (header.type == RecordType::kEnd) {
      ASSIGN_OR_RETURN(job.end, ReadRecord(path, record.offset, &unused));
    } else if (header.type == RecordType::kResults) {
      job.parts.push_back({.first = header.first,
                           .count = header.count,
                           .failed = header.failed,
                           .bytes = header.body_bytes,
                           .offset = record.offset});
    }
  }
  open_[id].size = scanned.size;
  used_.fetch_add(scanned.size, std::memory_order_relaxed);
  if (job.end.has_value()) {
    for (const uint64_t first : segments) RemoveFile(SegmentPath(id, first), 0);
  } else {
    ScanInputs(id, segments, &job);
  }
  found_.push_back(std::move(job));
  return absl::OkStatus();
}

void JobStore::ScanInputs(JobId id, const std::vector<uint64_t>& segments, StoredJob* job) {
  for (const uint64_t segment : segments) {
    const std::string path = SegmentPath(id, segment);
    const auto scanned = ScanJobFile(path);
    if (!scanned.ok()) {
      spdlog::error("job j{}: its inputs cannot be read: {}", id, scanned.status());
      return;
    }
    for (const FoundRecord& record : scanned->records) {
      const RecordHeader& header = record.header;
      if (header.type == RecordType::kInputs) {
        job->inputs.push_back({header.first, header.count, segment, record.offset});
        job->inputs_arrived = header.first + header.count;
      } else if (header.type == RecordType::kComplete) {
        job->inputs_arrived = header.first;
        job->inputs_complete = true;
      } else if (header.type == RecordType::kCursor) {
        RecordHeader unused;
        job->cursor = ReadRecord(path, record.offset, &unused).value_or("");
      }
    }
    open_[id].segments[segment] = scanned->size;
    used_.fetch_add(scanned->size, std::memory_order_relaxed);
  }
}

}  // namespace center::jobs
