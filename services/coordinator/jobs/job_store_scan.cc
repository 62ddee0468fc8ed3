// What an earlier coordinator left.
#include <dirent.h>
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
  std::map<JobId, StoredJob> jobs;
  RETURN_IF_ERROR(ScanTable(&jobs));
  ASSIGN_OR_RETURN(const Names names, ListDir(options_.dir));
  // Files of jobs that are not there: their removal was interrupted.
  for (const JobId id : names.jobs) {
    if (!jobs.contains(id)) RemoveFile(JobPath(id), 0);
  }
  for (const auto& [id, segments] : names.segments) {
    const auto job = jobs.find(id);
    if (job != jobs.end() && !job->second.end.has_value()) {
      ScanInputs(segments, &job->second);
      continue;
    }
    for (const uint64_t first : segments) RemoveFile(SegmentPath(id, first), 0);
  }
  for (const JobId id : names.jobs) {
    if (const auto job = jobs.find(id); job != jobs.end()) {
      RETURN_IF_ERROR(ScanResults(&job->second));
    }
  }
  for (auto& [id, job] : jobs) found_.push_back(std::move(job));
  return absl::OkStatus();
}

absl::Status JobStore::ScanTable(std::map<JobId, StoredJob>* jobs) {
  RETURN_IF_ERROR(options_.table->ForEach([&](RecordTable::Row row) {
    StoredJob& job = (*jobs)[row.job];
    job.id = row.job;
    const RecordHeader& header = row.header;
    const uint64_t bytes = header.body_bytes + kRowBytes;
    open_[row.job].table_bytes += bytes;
    used_.fetch_add(bytes, std::memory_order_relaxed);
    switch (header.type) {
      case RecordType::kJob:
        job.meta = std::move(row.body);
        return;
      case RecordType::kEnd:
        job.end = std::move(row.body);
        return;
      case RecordType::kResults:
        job.parts.push_back({.first = header.first,
                             .count = header.count,
                             .failed = header.failed,
                             .bytes = header.body_bytes,
                             .in_table = true,
                             .offset = row.number});
        return;
      case RecordType::kInputs:
        job.inputs.push_back(
            {.first = header.first, .count = header.count, .in_table = true, .offset = row.number});
        job.inputs_arrived = std::max(job.inputs_arrived, header.first + header.count);
        return;
      case RecordType::kComplete:
        job.inputs_arrived = header.first;
        job.inputs_complete = true;
        return;
      case RecordType::kCursor:
        job.cursor = std::move(row.body);
        return;
    }
  }));
  return absl::OkStatus();
}

absl::Status JobStore::ScanResults(StoredJob* job) {
  ASSIGN_OR_RETURN(const ScannedFile scanned, ScanJobFile(JobPath(job->id)));
  for (const FoundRecord& record : scanned.records) {
    const RecordHeader& header = record.header;
    if (header.type != RecordType::kResults) continue;
    job->parts.push_back({.first = header.first,
                          .count = header.count,
                          .failed = header.failed,
                          .bytes = header.body_bytes,
                          .offset = record.offset});
  }
  open_[job->id].size = scanned.size;
  used_.fetch_add(scanned.size, std::memory_order_relaxed);
  return absl::OkStatus();
}

void JobStore::ScanInputs(const std::vector<uint64_t>& segments, StoredJob* job) {
  for (const uint64_t segment : segments) {
    const std::string path = SegmentPath(job->id, segment);
    const auto scanned = ScanJobFile(path);
    if (!scanned.ok()) {
      spdlog::error("job j{}: its inputs cannot be read: {}", job->id, scanned.status());
      return;
    }
    for (const FoundRecord& record : scanned->records) {
      const RecordHeader& header = record.header;
      if (header.type == RecordType::kInputs) {
        job->inputs.push_back({.first = header.first,
                               .count = header.count,
                               .segment = segment,
                               .offset = record.offset});
        job->inputs_arrived = std::max(job->inputs_arrived, header.first + header.count);
      } else if (header.type == RecordType::kCursor) {
        RecordHeader unused;
        job->cursor = ReadRecord(path, record.offset, &unused).value_or("");
      }
    }
    open_[job->id].segments[segment] = scanned->size;
    used_.fetch_add(scanned->size, std::memory_order_relaxed);
  }
}

}  // namespace center::jobs
