// centerctl: the command line of Center.
#include <unistd.h>

#include <climits>
#include <csignal>
#include <string>
#include <vector>

#include "cli/app.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/library_settings.h"

namespace {

// Where this program is: the others are beside it.
std::string ProgramDir() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return ".";
  const std::string program(path, static_cast<size_t>(length));
  return program.substr(0, program.rfind('/'));
}

}  // namespace

int main(int argc, char** argv) {
  center::rpc::ApplyLibrarySettings();
  // A reader that went away is an error of write(2), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  center::cli::Dependencies dependencies;
  dependencies.connect = center::rpc::MakeChannel;
  dependencies.clock = &center::RealClock();
  dependencies.program_dir = ProgramDir();
  return center::cli::RunCenterctl(std::vector<std::string>(argv + 1, argv + argc), dependencies);
}
