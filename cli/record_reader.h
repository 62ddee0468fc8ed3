// Inputs of a job, from a file or a pipe, in bounded pieces.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/records.h"
#include "services/common/fd.h"

namespace center::cli {

// Cuts what it reads at each delimiter (a line feed, or NUL); an unfinished last record counts,
// too. Holds one piece and one unfinished record, however long the file is. Next on one thread;
// Stop on any.
class RecordReader {
 public:
  static constexpr size_t kReadBytes = 256 << 10;
  static constexpr size_t kRecordBytesMax = 4 << 20;
  // A piece has at most so many bytes, or one record.
  static constexpr size_t kPieceBytesMax = 1 << 20;

  // `fd` (not owned) is `what` in messages: "hosts.txt".
  RecordReader(int fd, char delimiter, std::string what);

  // Puts the next records into *records, without waiting for more than there is: a slow producer's
  // lines go on at once. False: there are no more, or Stop was called. ResourceExhausted, saying
  // which, for a record that is too long.
  absl::StatusOr<bool> Next(v1::Records* records);
  void Stop();

 private:
  // Appends what can be read now to buffer_; waits until there is something or Stop is called.
  absl::Status Fill();
  // Moves whole records from buffer_ to *records.
  absl::Status Take(v1::Records* records);

  const int fd_;
  const char delimiter_;
  const std::string what_;
  ScopedFd stop_;
  std::string buffer_;   // what was read and not handed out
  size_t searched_ = 0;  // of it, from the beginning: holds no delimiter
  bool ended_ = false;
  uint64_t records_ = 0;
};

}  // namespace center::cli
