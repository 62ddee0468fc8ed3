// Jobs on disk: written behind by one thread, read by another, so that the control thread never
// waits for a disk.
//
// What was written survives the death of the coordinator (see job_file.h). Whoever needs to know
// that it does passes `done`: it is called with the outcome on the thread that `post` leads to, in
// the order of the calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/coordinator/jobs/job_file.h"
#include "services/coordinator/jobs/record_table.h"
#include "services/coordinator/jobs/task_thread.h"
#include "services/coordinator/jobs/types.h"

namespace center::jobs {

// Results that are stored.
struct StoredPart {
  uint64_t first = 0;
  uint64_t count = 0;
  uint32_t failed = 0;
  uint32_t bytes = 0;
  bool in_table = false;
  uint64_t offset = 0;  // in the job's file; the number of the row
};

// Inputs that are stored.
struct StoredInputs {
  uint64_t first = 0;
  uint64_t count = 0;
  bool in_table = false;
  uint64_t segment = 0;
  uint64_t offset = 0;  // in the segment; the number of the row
};

// A job that an earlier coordinator left.
struct StoredJob {
  JobId id = 0;
  std::string meta;
  std::vector<StoredPart> parts;  // in the order in which they were finished
  absl::optional<std::string> end;
  std::vector<StoredInputs> inputs;  // that are left of those that arrived, ascending
  uint64_t inputs_arrived = 0;
  bool inputs_complete = false;
  std::string cursor;  // of the source, after inputs_arrived
};

class JobStore {
 public:
  using Done = std::function<void(absl::Status)>;
  struct Options {
    std::string dir;
    // Runs a task where `done` is to be called.
    std::function<void(std::function<void()>)> post;
    std::shared_ptr<RecordTable> table;
    // Results and inputs of a job that go into the table; what is more goes into files.
    uint64_t table_bytes_max = 64 << 10;
    uint64_t segment_bytes = 32 << 20;
  };

  // Creates the folder when it is not there and reads what is in it and in the table. Damaged ends
  // of files are cut off; files of jobs that the table does not know are removed.
  static absl::StatusOr<std::unique_ptr<JobStore>> Open(Options options);
  // What was found, once.
  std::vector<StoredJob> TakeFound() { return std::move(found_); }

  // A new job. `meta` must be known again by whoever reads it.
  void Create(JobId id, std::string meta, Done done);
  // Its inputs, in order. `cursor` may be empty.
  void AppendInputs(JobId id, uint64_t first, std::shared_ptr<const RecordBlock> block,
                    std::string cursor);
  void CompleteInputs(JobId id, uint64_t total, Done done);
  // All inputs before this index are finished: segments of nothing else go.
  void ReleaseInputs(JobId id, uint64_t before);
  void AppendResults(JobId id, const ResultPart& part,
                     std::function<void(absl::StatusOr<StoredPart>)> done);
  void End(JobId id, std::string end, Done done);
  void Remove(JobId id);

  // Reads on a thread of its own; the answer comes as for `done`.
  void Read(JobId id, const StoredPart& part,
            std::function<void(absl::StatusOr<std::string>)> done);
  void ReadInputs(JobId id, const StoredInputs& inputs,
                  std::function<void(absl::StatusOr<std::shared_ptr<const RecordBlock>>)> done);
  // The same, at once: for a coordinator that starts.
  absl::StatusOr<std::string> ReadNow(JobId id, const StoredPart& part) const;

  // Bytes that are to be written still; bytes of all files.
  uint64_t backlog_bytes() const { return backlog_.load(std::memory_order_relaxed); }
  uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }

 private:
  // Of the writing thread.
  struct OpenJob {
    uint64_t table_bytes = 0;               // in the table
    uint64_t size = 0;                      // of the job's file
    std::map<uint64_t, uint64_t> segments;  // first index -> size
  };

  explicit JobStore(Options options);

  absl::Status Scan();
  absl::Status ScanTable(std::map<JobId, StoredJob>* jobs);
  absl::Status ScanResults(StoredJob* job);
  void ScanInputs(const std::vector<uint64_t>& segments, StoredJob* job);
  std::string JobPath(JobId id) const;
  std::string SegmentPath(JobId id, uint64_t first) const;

  void Enqueue(uint64_t bytes, std::function<void()> work);
  // On the writing thread.
  void FinishBatch();
  absl::StatusOr<uint64_t> AddRow(JobId id, RecordHeader header,
                                  std::span<const absl::string_view> body);
  bool FitsTable(JobId id, uint64_t bytes);
  absl::Status Append(const std::string& path, uint64_t* size, RecordHeader header,
                      std::span<const absl::string_view> body);
  absl::Status AppendToInputs(JobId id, RecordHeader header,
                              std::span<const absl::string_view> body);
  absl::StatusOr<JobFile*> FileOf(const std::string& path, uint64_t size);
  void RemoveSegments(JobId id, uint64_t before);
  void RemoveFile(const std::string& path, uint64_t size);
  // Answers when what was queued together is done, with the error of the table's commit.
  void Answer(std::function<void(const absl::Status& commit)> answer);

  const Options options_;
  std::vector<StoredJob> found_;
  std::atomic<uint64_t> backlog_{0};
  std::atomic<uint64_t> used_{0};

  // Writing thread (and Open).
  absl::flat_hash_map<JobId, OpenJob> open_;
  absl::flat_hash_map<std::string, std::unique_ptr<JobFile>> files_;  // a few, kept open
  std::vector<std::function<void(const absl::Status&)>> answers_;
  bool in_transaction_ = false;

  TaskThread reader_;
  TaskThread writer_;  // last: its tasks use the members above
};

}  // namespace center::jobs
