// Results of a job on stdout, and in a log file for scripts.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "center/v1/job.pb.h"
#include "cli/context.h"
#include "services/common/fd.h"

namespace center::cli {

// --joblog: a line for each input, tab-separated, under a header: what happened to it.
class JobLog {
 public:
  // Empty path: no log. An older file is replaced.
  static absl::StatusOr<JobLog> Open(const std::string& path);
  bool on() const { return writer_ != nullptr; }
  void Add(uint64_t index, absl::string_view result, absl::Time time);
  void Add(const v1::InputFailure& failure, absl::Time time);
  absl::Status Flush();

 private:
  JobLog() = default;

  ScopedFd fd_;
  std::unique_ptr<Writer> writer_;
};

// Prints results as -o says. kRaw: bytes and a line feed. kJson: {"index": "7", "result": "text"},
// or "resultBase64" for what is no text, or "failure" for an input that has none. Otherwise a line
// of visible text, with kWide the index before it.
class ResultPrinter {
 public:
  ResultPrinter(Context& context, Format format, JobLog log)
      : context_(context), format_(format), log_(std::move(log)) {}

  // DataLoss when the batch is malformed; else what the writers say.
  absl::Status Print(const v1::ResultBatch& batch);
  // For -o json: {"job": …}, the last line.
  absl::Status PrintJob(const v1::Job& job);

 private:
  absl::Status PrintResult(uint64_t index, absl::string_view bytes);
  absl::Status PrintFailure(const v1::InputFailure& failure);

  Context& context_;
  const Format format_;
  JobLog log_;
};

}  // namespace center::cli
