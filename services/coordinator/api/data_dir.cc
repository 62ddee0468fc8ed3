#include "services/coordinator/api/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/crc32c.h"
#include "services/common/net_address.h"
#include "services/common/status_macros.h"

namespace center::coordinator {
namespace {

// sockaddr_un::sun_path holds 108 bytes with the final NUL.
constexpr size_t kSocketPathMax = 107;
// "/01234567.255.sock"
constexpr size_t kShortSocketNameMax = 18;

absl::Status WriteText(int fd, const std::string& path, const std::string& text) {
  if (::ftruncate(fd, 0) != 0) return ErrnoStatus(errno, absl::StrCat("truncate ", path));
  const ssize_t written = ::pwrite(fd, text.data(), text.size(), 0);
  if (written < 0) return ErrnoStatus(errno, absl::StrCat("write ", path));
  if (static_cast<size_t>(written) != text.size()) {
    return absl::ResourceExhaustedError(absl::StrCat("write ", path, ": short write"));
  }
  return absl::OkStatus();
}

// flock(2) is dropped by the kernel when its holder dies, so a stale lock does not exist; the pid
// in the file is for the message only.
absl::StatusOr<ScopedFd> Lock(const std::string& folder) {
  const std::string path = folder + "/coordinator.lock";
  ScopedFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, absl::StrCat("lock ", path));
    const std::string pid(absl::StripAsciiWhitespace(ReadSmallFile(path).value_or("")));
    return absl::FailedPreconditionError(
        absl::StrCat("the data directory ", folder, " is in use by another coordinator",
                     pid.empty() ? "" : absl::StrCat(" (process ", pid, ")"),
                     "; stop it, or choose another --data-dir"));
  }
  RETURN_IF_ERROR(WriteText(fd.get(), path, absl::StrCat(::getpid(), "\n")));
  return fd;
}

}  // namespace

absl::StatusOr<DataDir> DataDir::Open(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the data directory's path is empty");
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("data directory ", path, ": ", error.message()));
  }
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  RETURN_IF_ERROR(MakeDirectories(absolute));
  ASSIGN_OR_RETURN(ScopedFd lock, Lock(absolute));
  RETURN_IF_ERROR(MakeDirectories(absolute + "/servers"));
  std::string run_dir = absolute + "/run";
  if (run_dir.size() + kShortSocketNameMax > kSocketPathMax) {
    run_dir = absl::StrFormat("%s/run-%08x", DefaultRuntimeDir(), Crc32c(absolute));
  }
  RETURN_IF_ERROR(MakeDirectories(run_dir));
  return DataDir(std::move(absolute), std::move(run_dir), std::move(lock));
}

std::string DataDir::JournalDir(absl::string_view server, uint32_t slot) const {
  return absl::StrCat(path_, "/servers/", server, "/", slot);
}

std::set<uint32_t> DataDir::JournalSlots(absl::string_view server) const {
  std::set<uint32_t> slots;
  std::error_code error;  // no folder: no journals yet
  for (std::filesystem::directory_iterator entry(absl::StrCat(path_, "/servers/", server), error),
       end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    uint32_t slot = 0;
    if (absl::SimpleAtoi(name, &slot) && absl::StrCat(slot) == name) slots.insert(slot);
  }
  return slots;
}

std::string DataDir::SocketPath(absl::string_view server, uint32_t slot) const {
  std::string path = absl::StrCat(run_dir_, "/", server, ".", slot, ".sock");
  if (path.size() <= kSocketPathMax) return path;
  return absl::StrFormat("%s/%08x.%u.sock", run_dir_, Crc32c(server), slot);
}

}  // namespace center::coordinator
