// Where small records of jobs are: a table, as an interface, because this layer knows no database.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/coordinator/jobs/job_file.h"
#include "services/coordinator/jobs/types.h"

namespace center::jobs {

// What a row costs beside its body.
inline constexpr uint64_t kRowBytes = 64;

// A row is a record with the job that it belongs to. Rows are numbered ascending. What is committed
// survives the death of any process.
class RecordTable {
 public:
  struct Row {
    uint64_t number = 0;
    JobId job = 0;
    RecordHeader header;
    std::string body;  // of kJob, kEnd and kCursor; of others only header.body_bytes is known
  };

  virtual ~RecordTable() = default;
  // What is added or removed between the two is there together, or not at all. One thread.
  virtual absl::Status Begin() = 0;
  virtual absl::Status Commit() = 0;
  // Returns the row's number. REQUIRES: between Begin and Commit, as for Remove.
  virtual absl::StatusOr<uint64_t> Add(JobId job, const RecordHeader& header,
                                       std::span<const absl::string_view> body) = 0;
  virtual absl::Status Remove(JobId job) = 0;
  // A body. NotFound. Any thread.
  virtual absl::StatusOr<std::string> Read(uint64_t row, RecordHeader* header) = 0;
  // All rows, ascending.
  virtual absl::Status ForEach(const std::function<void(Row)>& visit) = 0;
};

}  // namespace center::jobs
