// Reads a job's results for one stream, part after part.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/coordinator/api/job_manager.h"

namespace center::coordinator {

// Control thread.
class ResultPump : public std::enable_shared_from_this<ResultPump> {
 public:
  struct Options {
    bool ordered = false;
    uint64_t position = 0;  // as in the API
    bool follow = true;
    bool submitter = false;  // what it has taken is not kept in memory for others
    int field = 1;           // of the message that holds the batches
  };
  // Why `position` is no place to begin, or ok.
  static absl::Status Check(const JobEntry& job, const Options& options);

  // `wake` is called when Next may say something else than kWait.
  ResultPump(JobManager& manager, JobEntry& job, Options options, std::function<void()> wake);

  enum class What {
    kMessage,
    kWait,  // for the disk, or for the job
    kEnd,   // everything was given
    kFail,  // `status` says why
  };
  What Next(grpc::ByteBuffer* message);
  const absl::Status& status() const { return status_; }
  // A part is on its way from the disk.
  bool reading() const { return reading_; }
  // Bytes of results given.
  uint64_t taken() const { return taken_; }
  // Nobody calls Next any more.
  void Close() { wake_ = nullptr; }

 private:
  void OnRead(absl::StatusOr<std::shared_ptr<const std::string>> body);

  JobManager& manager_;
  JobEntry& job_;
  const Options options_;
  std::function<void()> wake_;
  jobs::Position position_;
  bool reading_ = false;
  bool asking_ = false;   // Next is on the stack
  uint64_t first_ = 0;    // of the part that is read
  jobs::Position after_;  // it
  std::shared_ptr<const std::string> body_;
  uint64_t taken_ = 0;
  absl::Status status_;
};

}  // namespace center::coordinator
