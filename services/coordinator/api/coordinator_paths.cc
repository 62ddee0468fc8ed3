#include "services/coordinator/api/coordinator_paths.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/coordinator.h"

namespace center::coordinator {

absl::Status PrepareSocketFolder(const NetAddress& address) {
  const std::string folder = std::filesystem::path(address.path).parent_path().string();
  if (folder.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(MakeDirectories(folder));
  if (folder != DefaultRuntimeDir()) return absl::OkStatus();
  struct stat status{};
  if (::lstat(folder.c_str(), &status) != 0) return ErrnoStatus(errno, folder);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat(folder, " belongs to somebody else; choose another socket with --listen"));
  }
  return absl::OkStatus();
}

std::string AddressForWorkers(const std::vector<NetAddress>& addresses) {
  for (const NetAddress& address : addresses) {
    if (address.is_unix) return address.ToString();
  }
  NetAddress address = addresses.front();
  if (address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  return address.ToString();
}

std::string DefaultDataDir() {
  const char* state_home = std::getenv("XDG_STATE_HOME");
  if (state_home != nullptr && state_home[0] == '/') return absl::StrCat(state_home, "/center");
  const char* home = std::getenv("HOME");
  return absl::StrCat(home != nullptr ? home : "", "/.local/state/center");
}

absl::StatusOr<std::string> SiblingProgram(const std::string& name) {
  char self[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
  if (length < 0) return ErrnoStatus(errno, "readlink /proc/self/exe");
  const std::filesystem::path path(std::string(self, static_cast<size_t>(length)));
  std::string sibling = (path.parent_path() / name).string();
  if (::access(sibling.c_str(), X_OK) != 0) return ErrnoStatus(errno, sibling);
  return sibling;
}

}  // namespace center::coordinator
