// The table of small records of jobs, in a SQLite file of its own.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/jobs/record_table.h"
#include "services/coordinator/state/sqlite.h"

namespace center::coordinator {

// Thread-safe: one connection behind one mutex.
class JobTable final : public jobs::RecordTable {
 public:
  // Opens or creates the file. Errors as state::Store::Open.
  static absl::StatusOr<std::unique_ptr<JobTable>> Open(const std::string& path);

  absl::Status Begin() override;
  absl::Status Commit() override;
  absl::StatusOr<uint64_t> Add(jobs::JobId job, const jobs::RecordHeader& header,
                               std::span<const absl::string_view> body) override;
  absl::Status Remove(jobs::JobId job) override;
  absl::StatusOr<std::string> Read(uint64_t row, jobs::RecordHeader* header) override;
  absl::Status ForEach(const std::function<void(Row)>& visit) override;

 private:
  struct Statements {
    state::Statement add;
    state::Statement remove;
    state::Statement read;
  };
  explicit JobTable(state::Database database) : database_(std::move(database)) {}
  absl::Status Prepare();

  absl::Mutex mutex_;
  state::Database database_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Statements> statements_ ABSL_GUARDED_BY(mutex_);  // before the database goes
  int64_t last_row_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace center::coordinator
