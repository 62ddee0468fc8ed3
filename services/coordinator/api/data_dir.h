// Where a coordinator keeps what it must not lose, and the lock that gives it to one coordinator at
// a time.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/fd.h"

namespace center::coordinator {

// Holds the lock as long as it lives.
class DataDir {
 public:
  // Creates the folder and its parts, mode 0700. FailedPrecondition when another coordinator has
  // it.
  static absl::StatusOr<DataDir> Open(const std::string& path);

  const std::string& path() const { return path_; }  // absolute
  std::string database() const { return path_ + "/center.db"; }
  std::string JournalDir(absl::string_view server, uint32_t slot) const;
  // The slots of a server that have a folder for a journal.
  std::set<uint32_t> JournalSlots(absl::string_view server) const;
  // Where a worker serves gRPC: run/<server>.<slot>.sock, or a shorter name with the same meaning
  // when that one would be too long for a socket's address.
  std::string SocketPath(absl::string_view server, uint32_t slot) const;
  // Where workers bring what they have kept for us.
  std::string HandoverPath() const { return run_dir_ + "/handover.sock"; }

 private:
  DataDir(std::string path, std::string run_dir, ScopedFd lock)
      : path_(std::move(path)), run_dir_(std::move(run_dir)), lock_(std::move(lock)) {}

  std::string path_;
  std::string run_dir_;
  ScopedFd lock_;
};

}  // namespace center::coordinator
